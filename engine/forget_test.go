package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

func TestQueuesAreForgotten(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	url := app(t, status(422), status(200))
	submit := func(queue, more string) (int, map[string]any) {
		code, _, got := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"queue":%q%s}`, url, queue, more))
		return code, got
	}
	remove := func(queue string) (int, any) {
		code, _, got := d.call(t, "DELETE", "/v1/queues/"+queue, "")
		return code, got["code"]
	}
	forgotten := func(queue string) {
		code, _ := remove(queue)
		require.Equal(t, 204, code)
	}

	code, got := remove("default")
	require.Equal(t, "409 state_conflict", fmt.Sprint(code, " ", got))
	code, got = remove("nobody")
	require.Equal(t, "404 not_found", fmt.Sprint(code, " ", got))

	_, later := submit("q", `,"delay":"1h"`)
	code, got = remove("q")
	require.Equal(t, "409 queue_not_empty", fmt.Sprint(code, " ", got))
	code, _, _ = d.call(t, "POST", "/v1/tasks/"+later["id"].(string)+"/cancel", "")
	require.Equal(t, 200, code)
	forgotten("q")
	code, _, _ = d.call(t, "GET", "/v1/queues/q", "")
	require.Equal(t, 404, code)
	_, _, task := d.call(t, "GET", "/v1/tasks/"+later["id"].(string), "")
	require.Equal(t, "q", task["queue"], "tasks that have ended keep the name")

	_, failed := submit("q", "") // the first task makes it anew
	code, _, _ = d.call(t, "GET", "/v1/queues/q", "")
	require.Equal(t, 200, code)
	_, _, task = d.call(t, "GET", "/v1/tasks/"+failed["id"].(string)+"?wait=10s", "")
	require.Equal(t, "failed", task["state"])
	forgotten("q")
	code, _, _ = d.call(t, "POST", "/v1/tasks/"+failed["id"].(string)+"/retry", "")
	require.Equal(t, 200, code)
	_, _, task = d.call(t, "GET", "/v1/tasks/"+failed["id"].(string)+"?wait=10s", "")
	require.Equal(t, "succeeded", task["state"], "what is retried in a forgotten queue runs")
	code, _, _ = d.call(t, "GET", "/v1/queues/q", "")
	require.Equal(t, 200, code, "and its queue is there again")
}
