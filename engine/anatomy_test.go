package engine_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
)

// TestAttemptsTellHowTheyWent, in the API, to the Go client and in the console, which
// compares two of them.
func TestAttemptsTellHowTheyWent(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	var n atomic.Int64
	target := app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Round", fmt.Sprint(n.Add(1)))
		if n.Load() < 2 {
			w.WriteHeader(http.StatusBadGateway)
		}
		io.WriteString(w, "same\nbefore\n"+map[bool]string{true: "broken <b>", false: "whole"}[n.Load() < 2]+"\nafter\n")
	})
	host, err := url.Parse(target)
	require.NoError(t, err)
	id := submit(t, d, fmt.Sprintf(`{"url":%q,"retry":{"min_backoff":"1ms"}}`, target))
	_, _, ended := d.call(t, "GET", "/v1/tasks/"+id+"?wait=10s", "")
	require.Equal(t, "succeeded", ended["state"])

	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: d.url})
	require.NoError(t, err)
	var attempts []*sendoff.Attempt
	for a, err := range c.Tasks.Attempts(t.Context(), id) {
		require.NoError(t, err)
		attempts = append(attempts, a)
	}
	require.Len(t, attempts, 2)
	for i, a := range attempts {
		require.Equal(t, []any{host.Host, i > 0, ""}, []any{a.Address, a.Reused, a.FailedIn})
		require.Positive(t, a.Phases.FirstByte)
		require.Equal(t, i == 0, a.Phases.Connect > 0)
		require.Equal(t, map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Round": fmt.Sprint(i + 1)}, a.Headers, "what is ours is none of theirs")
	}

	b := browse(t, d)
	_, _, page := b.get(t, "/tasks/"+id)
	require.Contains(t, page, "Connected, and kept so, to")
	require.Contains(t, page, `href="/tasks/`+id+`/compare"`)
	code, _, page := b.get(t, "/tasks/"+id+"/compare")
	require.Equal(t, 200, code)
	require.Contains(t, page, `<span class="d-old">- X-Round: 1`)
	require.Contains(t, page, `<span class="d-new">+ whole`)
	require.Contains(t, page, `- broken &lt;b&gt;`)
	require.Contains(t, page, `502`)
	token := attempts[1].Token
	_, _, page = b.get(t, fmt.Sprintf("/tasks/%s/compare?a=%d&b=%d", id, token, token))
	require.Contains(t, page, "The same, byte for byte.")
	code, _, _ = b.get(t, "/tasks/"+id+"/compare?a=7777")
	require.Equal(t, 404, code)
	waiting := submit(t, d, fmt.Sprintf(`{"url":%q,"delay":"1h"}`, target))
	_, _, page = b.get(t, "/tasks/"+waiting+"/compare")
	require.Contains(t, page, "there is nothing to compare")
}

// TestAnAttemptTellsWhereItFailed, when nobody listens.
func TestAnAttemptTellsWhereItFailed(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	id := submit(t, d, `{"url":"http://127.0.0.1:1/","retry":{"max_attempts":1}}`)
	_, _, ended := d.call(t, "GET", "/v1/tasks/"+id+"?wait=10s", "")
	require.Equal(t, "failed", ended["state"])
	_, _, list := d.call(t, "GET", "/v1/tasks/"+id+"/attempts", "")
	a := list["items"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"127.0.0.1:1", "connect", "refused"}, []any{a["address"], a["failed_in"], a["cause"]})
	require.NotContains(t, a, "headers")
	_, _, page := browse(t, d).get(t, "/tasks/"+id)
	require.Contains(t, page, "connected: did not come to its end")
}
