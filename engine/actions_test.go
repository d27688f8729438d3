package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
)

// failing has tasks of a queue fail at once.
func failing(t *testing.T, d *door, queue string, n int) {
	for i := 0; i < n; i += 500 {
		var b strings.Builder
		for j := i; j < min(i+500, n); j++ {
			fmt.Fprintf(&b, `{"handler":"fails","queue":%q,"retry":{"max_attempts":1}},`, queue)
		}
		code, _, answer := d.call(t, "POST", "/v1/tasks/batch", `{"tasks":[`+strings.TrimSuffix(b.String(), ",")+`]}`)
		require.Equal(t, 201, code, answer)
	}
	require.Eventually(t, func() bool {
		return len(d.ids(t, "state=failed&queue="+queue)) == min(n, 500) && d.depth(t, queue) == n
	}, time.Minute, 10*time.Millisecond)
}

func (d *door) ids(t *testing.T, filter string) (ids []string) {
	_, _, page := d.call(t, "GET", "/v1/tasks?limit=500&"+filter, "")
	for _, item := range page["items"].([]any) {
		ids = append(ids, item.(map[string]any)["id"].(string))
	}
	return ids
}

func (d *door) depth(t *testing.T, queue string) int {
	_, _, stats := d.call(t, "GET", "/v1/queues/"+queue+"/stats", "")
	n, _ := stats["failed"].(float64)
	return int(n)
}

func actionEnd(t *testing.T, c *sendoff.Client, id string) *sendoff.Action {
	var a *sendoff.Action
	require.Eventually(t, func() (over bool) {
		var err error
		a, err = c.Actions.Get(t.Context(), id)
		require.NoError(t, err)
		return a.Ended()
	}, time.Minute, 10*time.Millisecond)
	return a
}

func openFailing(t *testing.T) *door {
	b := open(t, engine.Config{})
	b.HandleFunc("fails", func(context.Context, *engine.Call) error { return sendoff.Permanent(errors.New("no")) })
	b.run(t)
	require.Eventually(t, func() bool { return b.Ready(t.Context()) == nil }, 10*time.Second, time.Millisecond)
	srv := httptest.NewServer(b.Handler(engine.HandlerConfig{}))
	t.Cleanup(func() {
		srv.Close()
		b.stop()
	})
	return &door{bundle: b, url: srv.URL}
}

// TestFailedTasksAreRetriedInBulk: a dry run, the action, what it left, and its undoing.
func TestFailedTasksAreRetriedInBulk(t *testing.T) {
	d := openFailing(t)
	c := clientOf(t, d.url, "")
	failing(t, d, "mail", 600)
	failing(t, d, "other", 3)
	require.NoError(t, func() error { _, err := c.Queues.Pause(t.Context(), "mail"); return err }())
	want := sendoff.Bulk{Action: "retry", Filter: map[string][]string{"state": {"failed"}, "queue": {"mail"}}, Rate: "max", Reason: "the mail server is back"}
	look, err := c.Actions.Preview(t.Context(), want)
	require.NoError(t, err)
	require.Equal(t, 600, look.Matched)
	require.True(t, look.Exact)
	require.Len(t, look.Sample, 10)
	require.Equal(t, 600, d.depth(t, "mail"), "a dry run does nothing")

	want.Bound = &look.Bound
	a, err := c.Actions.Start(t.Context(), want)
	require.NoError(t, err)
	a = actionEnd(t, c, a.ID)
	require.Equal(t, "done", a.State)
	require.EqualValues(t, 600, a.Done)
	require.Zero(t, a.Passed)
	require.True(t, a.Undoable)
	require.Equal(t, 0, d.depth(t, "mail"))
	require.Equal(t, 3, d.depth(t, "other"), "what was not selected")
	n := 0
	for item, err := range c.Actions.Items(t.Context(), a.ID) {
		require.NoError(t, err)
		require.EqualValues(t, 2, item.Run)
		n++
	}
	require.Equal(t, 600, n)

	undone, err := c.Actions.Undo(t.Context(), a.ID)
	require.NoError(t, err)
	undone = actionEnd(t, c, undone.ID)
	require.Equal(t, "cancel", undone.Action)
	require.EqualValues(t, 600, undone.Done)
	require.Len(t, d.ids(t, "state=canceled&queue=mail"), 500)
	_, err = c.Actions.Undo(t.Context(), undone.ID)
	require.True(t, sendoff.IsConflict(err), err)

	var audit []string
	for r, err := range c.Audit.List(t.Context(), sendoff.AuditFilter{Target: a.ID}) {
		require.NoError(t, err)
		audit = append(audit, r.Action)
	}
	require.Contains(t, audit, "act-on-tasks")
	require.Contains(t, audit, "end-action")
}

// TestABulkRetryLeavesWhatFailedAfterItsBound, and so does one that a step back in time
// brings: its bound is that of the dry run.
func TestABulkRetryLeavesWhatFailedAfterItsBound(t *testing.T) {
	d := openFailing(t)
	c := clientOf(t, d.url, "")
	failing(t, d, "q", 5)
	want := sendoff.Bulk{Action: "retry", Filter: map[string][]string{"state": {"failed"}}, Rate: "max"}
	look, err := c.Actions.Preview(t.Context(), want)
	require.NoError(t, err)
	failing(t, d, "later", 7)
	require.NoError(t, func() error { _, err := c.Queues.Pause(t.Context(), "q"); return err }())
	want.Bound = &look.Bound
	a, err := c.Actions.Start(t.Context(), want)
	require.NoError(t, err)
	a = actionEnd(t, c, a.ID)
	require.EqualValues(t, 5, a.Done)
	require.Equal(t, 7, d.depth(t, "later"))
}

// TestAnActionIsPausedAndAborted: what it did stays.
func TestAnActionIsPausedAndAborted(t *testing.T) {
	d := openFailing(t)
	c := clientOf(t, d.url, "")
	failing(t, d, "q", 1100)
	require.NoError(t, func() error { _, err := c.Queues.Pause(t.Context(), "q"); return err }())
	a, err := c.Actions.Start(t.Context(), sendoff.Bulk{Action: "delete", Filter: map[string][]string{"queue": {"q"}}, Rate: "500/s"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { a, err = c.Actions.Get(context.Background(), a.ID); return a.Done == 500 }, 10*time.Second, 5*time.Millisecond)
	a, err = c.Actions.Pause(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, "paused", a.State)
	time.Sleep(1500 * time.Millisecond)
	require.Equal(t, 600, d.depth(t, "q"))
	_, err = c.Actions.Pause(t.Context(), a.ID)
	require.True(t, sendoff.IsConflict(err), err)
	_, err = c.Actions.Resume(t.Context(), a.ID)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return d.depth(t, "q") <= 500 }, 10*time.Second, 5*time.Millisecond)
	a, err = c.Actions.Abort(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, "aborted", a.State)
	require.False(t, a.Undoable, "what was deleted is gone")
}

func TestABulkActionThatCannotBeReadIsRefused(t *testing.T) {
	d := openFailing(t)
	for body, want := range map[string]string{
		`{"action":"retry"}`:                                          "say \"all\": true",
		`{"action":"retry","filter":{}}`:                              "say \"all\": true",
		`{"action":"burn","all":true}`:                                "want one of cancel, retry, run, delete, reschedule, move",
		`{"action":"retry","all":true,"ids":["a"]}`:                   "one of the three",
		`{"action":"retry","filter":{"statee":"x"}}`:                  "is not a filter",
		`{"action":"retry","filter":{"state":[]}}`:                    "empty list",
		`{"action":"retry","filter":{"state":{}}}`:                    "JSON object",
		`{"action":"retry","filter":[1]}`:                             "want an object",
		`{"action":"retry","all":true,"rate":"fast"}`:                 "or max",
		`{"action":"retry","all":true,"bound":{"id":"x","at":"now"}}`: "bound",
		`{"action":"retry","filter":{"sort":"next_at"}}`:              "is not a filter",
	} {
		code, _, answer := d.call(t, "POST", "/v1/tasks/bulk", body)
		require.Equal(t, http.StatusUnprocessableEntity, code, "%s: %v", body, answer)
		require.Contains(t, fmt.Sprint(answer), want, body)
	}
	for _, verb := range []string{"GET /v1/actions/", "POST /v1/actions/"} {
		method, path, _ := strings.Cut(verb, " ")
		if method == "POST" {
			path += "nope/pause"
		} else {
			path += "nope"
		}
		code, _, _ := d.call(t, method, path, "")
		require.Equal(t, 404, code)
	}
}
