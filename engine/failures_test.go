package engine_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/auth"
)

// rejecting is an app that rejects every task.
func rejecting(t *testing.T) string {
	return app(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnprocessableEntity) })
}

// failed submits a task that fails, and returns its id when it has.
func failed(t *testing.T, d *door, url, queue string) string {
	t.Helper()
	id := submit(t, d, fmt.Sprintf(`{"url":%q,"queue":%q,"retry":{"max_attempts":1}}`, url, queue))
	_, _, got := d.call(t, "GET", "/v1/tasks/"+id+"?wait=5s", "")
	require.Equal(t, "failed", got["state"], got)
	return id
}

func groupsOf(t *testing.T, d *door) (groups []map[string]any) {
	t.Helper()
	engine.FlushFailures(d.Engine)
	_, _, page := d.call(t, "GET", "/v1/failures", "")
	for _, g := range page["items"].([]any) {
		groups = append(groups, g.(map[string]any))
	}
	return groups
}

// TestFailuresAreGrouped: tasks that fail alike are one group, which names its last task,
// selects them all, and can be retried and muted.
func TestFailuresAreGrouped(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	url := rejecting(t)
	first, second := failed(t, d, url+"/17", "mail"), failed(t, d, url+"/4", "mail")
	other := failed(t, d, url+"/17", "sms")
	succeeding := app(t, func(http.ResponseWriter, *http.Request) {})
	d.call(t, "GET", "/v1/tasks/"+submit(t, d, fmt.Sprintf(`{"url":%q}`, succeeding))+"?wait=5s", "")

	groups := groupsOf(t, d)
	require.Len(t, groups, 2)
	sms, mail := groups[0], groups[1]
	require.Equal(t, []any{"sms", other, 1.0}, []any{sms["queue"], sms["sample"], sms["count"]})
	require.Equal(t, []any{"mail", second, 2.0, "422"}, []any{mail["queue"], mail["sample"], mail["count"], mail["code"]})
	require.Equal(t, "POST …: 422 Unprocessable Entity", mail["text"])
	require.Contains(t, url, mail["target"])

	id := mail["id"].(string)
	_, _, page := d.call(t, "GET", "/v1/tasks?failure="+id, "")
	require.Equal(t, []string{second, first}, idsOf(page))
	require.Contains(t, page["indexed"], "state")
	_, _, page = d.call(t, "GET", "/v1/tasks?state=failed&failure!="+id, "")
	require.Equal(t, []string{other}, idsOf(page))
	code, _, look := d.call(t, "POST", "/v1/tasks/bulk", `{"action":"retry","dry_run":true,"filter":{"failure":"`+id+`"}}`)
	require.Equal(t, []any{200, 2.0}, []any{code, look["matched"]}, look)

	d.call(t, "POST", "/v1/tasks/"+first+"/retry", "")
	d.call(t, "GET", "/v1/tasks/"+first+"?wait=5s", "")
	mail = groupsOf(t, d)[0]
	require.Equal(t, []any{id, first, 3.0}, []any{mail["id"], mail["sample"], mail["count"]})

	code, _, muted := d.call(t, "POST", "/v1/failures/"+id+"/mute", `{"for":"8h"}`)
	require.Equal(t, 200, code, muted)
	until, err := time.Parse(time.RFC3339Nano, muted["muted_until"].(string))
	require.NoError(t, err)
	require.InDelta(t, 8*time.Hour, time.Until(until), float64(time.Minute))
	require.Equal(t, "ok", recorded(t, d, "mute-failure")[0]["result"])
	for _, body := range []string{`{"for":"8h","until":"2100-01-01T00:00:00Z"}`, `{"for":"0s"}`, `{"until":"2020-01-01T00:00:00Z"}`} {
		code, _, _ = d.call(t, "POST", "/v1/failures/"+id+"/mute", body)
		require.Equal(t, 422, code, body)
	}
	_, _, muted = d.call(t, "POST", "/v1/failures/"+id+"/mute", "")
	require.NotContains(t, muted, "muted_until")
	_, _, got := d.call(t, "GET", "/v1/failures/"+id, "")
	require.Equal(t, muted, got)
}

func idsOf(page map[string]any) (ids []string) {
	for _, item := range page["items"].([]any) {
		ids = append(ids, item.(map[string]any)["id"].(string))
	}
	return ids
}

// TestTheTextOfAGroupTakesTheScopePayloads, as errors do.
func TestTheTextOfAGroupTakesTheScopePayloads(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	failed(t, d, rejecting(t)+"/17", "mail")
	id := groupsOf(t, d)[0]["id"].(string)
	reader := &tenant{engine.RoutesOf(d.Engine), auth.Principal{Namespace: "default", NamespaceID: 1, Scopes: auth.Read}}
	for _, path := range []string{"/v1/failures", "/v1/failures/" + id} {
		code, text := reader.ask(t, "GET", path, "")
		require.Equal(t, 200, code, text)
		require.NotContains(t, text, "Unprocessable")
		require.Contains(t, text, `"redacted":true`)
	}
}
