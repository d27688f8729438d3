package engine_test

import (
	"bufio"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// TestAPageIsToldThatItsTaskChanged, and nothing about it.
func TestAPageIsToldThatItsTaskChanged(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	id := submit(t, d, `{"url":"http://127.0.0.1:1","delay":"1h"}`)
	_, _, page := browse(t, d).get(t, "/tasks/"+id)
	require.Contains(t, page, `data-topics="task:`+id+`"`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/live?topics=task:"+id, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, []string{"text/event-stream", "no"}, []string{res.Header.Get("Content-Type"), res.Header.Get("X-Accel-Buffering")})
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && lines.Text() != "retry: 2000" {
	}
	_, _, _ = d.call(t, "POST", "/v1/tasks/"+id+"/cancel", "")
	for lines.Scan() && lines.Text() != "data: event" {
		require.NotContains(t, lines.Text(), id)
	}
	require.NoError(t, lines.Err())
	require.Equal(t, "data: event", lines.Text())
	code, _, page := browse(t, d).get(t, "/live?topics=odd")
	require.Equal(t, 422, code)
	require.Contains(t, page, "want tasks, queue:NAME or task:ID")
}
