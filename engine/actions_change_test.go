package engine_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// mailOf submits tasks to a paused queue: three that are ready, two for tomorrow, one of
// which expires the day after.
func mailOf(t *testing.T, d *door, queue string) (ids []string) {
	code, _, _ := d.call(t, "PUT", "/v1/queues/"+queue, `{}`)
	require.Less(t, code, 300)
	code, _, _ = d.call(t, "POST", "/v1/queues/"+queue+"/pause", "")
	require.Equal(t, 200, code)
	for i, more := range []string{"", "", "", `,"delay":"24h"`, `,"delay":"24h","expires_at":"` + time.Now().Add(48*time.Hour).UTC().Format(time.RFC3339) + `"`} {
		code, _, made := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"handler":"fails","queue":%q,"unique":{"key":"key-%d"}%s}`, queue, i, more))
		require.Equal(t, 201, code, made)
		ids = append(ids, made["id"].(string))
	}
	return ids
}

// begin does what was tried dry before, and returns both.
func begin(t *testing.T, c *sendoff.Client, b sendoff.Bulk) (look *sendoff.ActionPreview, a *sendoff.Action) {
	b.Rate = "max"
	look, err := c.Actions.Preview(t.Context(), b)
	require.NoError(t, err)
	b.Bound = &look.Bound
	if a, err = c.Actions.Start(t.Context(), b); err == nil {
		a = actionEnd(t, c, a.ID)
	}
	require.NoError(t, err)
	return look, a
}

// TestManyTasksAreRescheduled: those that have not started; one that expires before is
// passed over, and so is what has ended or is due then already.
func TestManyTasksAreRescheduled(t *testing.T) {
	d := openFailing(t)
	c := clientOf(t, d.url, "")
	failing(t, d, "ended", 2)
	ids := mailOf(t, d, "mail")
	at := time.Now().Add(72 * time.Hour).Truncate(time.Second).UTC()
	want := sendoff.Bulk{Action: "reschedule", All: true, To: &sendoff.BulkTo{RunAt: at}}
	look, a := begin(t, c, want)
	require.Equal(t, 5, look.Matched)
	require.Equal(t, map[string]int{"failed": 2}, look.PassedOver)
	require.EqualValues(t, []int64{4, 3}, []int64{a.Done, a.Passed}, "the one that expires before is passed over")
	require.True(t, a.To.RunAt.Equal(at))
	require.False(t, a.Undoable)
	for _, id := range ids[:4] {
		_, _, got := d.call(t, "GET", "/v1/tasks/"+id, "")
		require.Equal(t, []any{"scheduled", at.Format("2006-01-02T15:04:05.000000Z")}, []any{got["state"], got["next_at"]})
	}
	look, _ = begin(t, c, want)
	require.Equal(t, 1, look.Matched, "the others are due then already")

	_, a = begin(t, c, sendoff.Bulk{Action: "reschedule", IDs: ids, To: &sendoff.BulkTo{Delay: new(time.Duration(0))}})
	require.EqualValues(t, 5, a.Done)
	require.Len(t, d.ids(t, "state=ready&queue=mail"), 5, "at once")
}

// TestManyTasksAreMoved to a queue that is new: they are run there, and keep their unique
// keys, of which one that is taken there passes its task over.
func TestManyTasksAreMoved(t *testing.T) {
	d := openFailing(t)
	c := clientOf(t, d.url, "")
	mailOf(t, d, "mail")
	code, _, _ := d.call(t, "POST", "/v1/tasks", `{"handler":"fails","queue":"post","unique":{"key":"key-1"},"delay":"1h"}`)
	require.Equal(t, 201, code)
	want := sendoff.Bulk{Action: "move", Filter: map[string][]string{"queue": {"mail", "post"}}, To: &sendoff.BulkTo{Queue: "post"}}
	look, a := begin(t, c, want)
	require.Equal(t, 5, look.Matched)
	require.Equal(t, map[string]int{"scheduled": 1}, look.PassedOver, "it is there")
	require.EqualValues(t, []int64{4, 2}, []int64{a.Done, a.Passed})
	require.Equal(t, "post", a.To.Queue)
	require.Len(t, d.ids(t, "queue=mail"), 1)
	require.Eventually(t, func() bool { return len(d.ids(t, "queue=post&state!=scheduled&state!=ready")) == 2 }, 10*time.Second, 5*time.Millisecond, "they run")
}

func TestABulkChangeThatCannotBeReadIsRefused(t *testing.T) {
	d := openFailing(t)
	for body, want := range map[string]string{
		`{"action":"move","all":true}`:                                          `move wants {"queue":"NAME"}`,
		`{"action":"move","all":true,"to":{"delay":"1h"}}`:                      `move wants {"queue":"NAME"}`,
		`{"action":"move","all":true,"to":{"queue":"a b"}}`:                     "to.queue",
		`{"action":"reschedule","all":true}`:                                    `reschedule wants {"delay":"10m"}`,
		`{"action":"reschedule","all":true,"to":{"queue":"a"}}`:                 `reschedule wants {"delay":"10m"}`,
		`{"action":"reschedule","all":true,"to":{"delay":"soon"}}`:              "to.delay",
		`{"action":"reschedule","all":true,"to":{"delay":"-1s"}}`:               "to.delay",
		`{"action":"reschedule","all":true,"to":{"run_at":"soon"}}`:             "to.run_at",
		`{"action":"reschedule","all":true,"to":{"delay":1,"run_at":"2026-1"}}`: "to.run_at",
		`{"action":"retry","all":true,"to":{"queue":"a"}}`:                      "belongs to the actions reschedule and move",
	} {
		code, _, answer := d.call(t, "POST", "/v1/tasks/bulk", body)
		require.Equal(t, http.StatusUnprocessableEntity, code, "%s: %v", body, answer)
		require.Contains(t, fmt.Sprint(answer), want, body)
	}
}
