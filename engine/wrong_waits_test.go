package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// Each wrong request about what tasks wait for is answered with the field and what would
// be right, and changes nothing.
func TestWrongRequestsAboutWaitingNameFieldAndFixAndStoreNothing(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	d.call(t, "PUT", "/v1/limits/there", `{"concurrency":1}`)
	d.call(t, "PUT", "/v1/queues/there", `{"timeout":"30s"}`)
	task := func(fields string) string { return `{"url":"http://127.0.0.1:1",` + fields + `}` }
	limit := func(fields string) string { return task(`"limits":[{` + fields + `}]`) }
	many := func(n int, format string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(list, ",")
	}
	long := strings.Repeat("k", 201)
	for i, tt := range []struct{ request, body, field, fix string }{
		{"POST /v1/tasks", limit(``), "limits[0].key", `want text of 1 to 200 bytes, such as "customer:42"`},
		{"POST /v1/tasks", limit(`"key":"","concurrency":1`), "limits[0].key", "want text of 1 to 200 bytes"},
		{"POST /v1/tasks", limit(`"key":"` + long + `","concurrency":1`), "limits[0].key", "at most 200"},
		{"POST /v1/tasks", limit(`"key":"a\u0000","concurrency":1`), "limits[0].key", ""},
		{"POST /v1/tasks", limit(`"key":"k"`), "limits[0]", `want concurrency, such as 5, a rate, such as "100/s", or both`},
		{"POST /v1/tasks", limit(`"key":"k","concurrency":0`), "limits[0].concurrency", "want 1 to 1000000"},
		{"POST /v1/tasks", limit(`"key":"k","concurrency":-3`), "limits[0].concurrency", "want 1 to 1000000"},
		{"POST /v1/tasks", limit(`"key":"k","concurrency":1000001`), "limits[0].concurrency", "want 1 to 1000000"},
		{"POST /v1/tasks", limit(`"key":"k","concurrency":"5"`), "limits[0].concurrency", "want"},
		{"POST /v1/tasks", limit(`"key":"k","concurrency":1.5`), "limits[0].concurrency", "want"},
		{"POST /v1/tasks", limit(`"key":"k","rate":"100"`), "limits[0].rate", `such as "100/s"`},
		{"POST /v1/tasks", limit(`"key":"k","rate":"0/s"`), "limits[0].rate", "want"},
		{"POST /v1/tasks", limit(`"key":"k","rate":"5/d"`), "limits[0].rate", "want"},
		{"POST /v1/tasks", limit(`"key":"k","rate":100`), "limits[0].rate", "want"},
		{"POST /v1/tasks", limit(`"key":"k","burst":5`), "limits[0].burst", `give one, such as "100/s"`},
		{"POST /v1/tasks", limit(`"key":"k","rate":"5/s","burst":0`), "limits[0].burst", "want 1 to 1000000"},
		{"POST /v1/tasks", limit(`"key":"k","max":5`), "limits[0].max", ""},
		{"POST /v1/tasks", task(`"limits":{"key":"k"}`), "limits", "want a list"},
		{"POST /v1/tasks", task(`"limits":["k"]`), "limits[0]", "want an object"},
		{"POST /v1/tasks", task(`"limits":[{"key":"k","concurrency":1},{"key":"k","rate":"5/s"}]`), "limits[1].key", "want each once"},
		{"POST /v1/tasks", task(`"limits":[` + many(9, `{"key":"%d","concurrency":1}`) + `]`), "limits", "want 1 to 8"},
		{"POST /v1/tasks", task(`"order_key":"` + long + `"`), "order_key", "at most 200"},
		{"POST /v1/tasks", task(`"order_key":7`), "order_key", "want"},
		{"POST /v1/tasks", task(`"on_duplicate":"wait"`), "on_duplicate", "serial"},
		{"POST /v1/tasks", task(`"on_duplicate":true`), "on_duplicate", "want"},
		{"POST /v1/tasks", task(`"duplicate_key":"k"`), "duplicate_key", "belongs to on_duplicate"},
		{"POST /v1/tasks", task(`"on_duplicate":"serial","duplicate_key":"` + long + `"`), "duplicate_key", "at most 200"},
		{"POST /v1/tasks", task(`"depends_on":["nobody"]`), "depends_on[0]", "want the id of one that is stored"},
		{"POST /v1/tasks", task(`"depends_on":[""]`), "depends_on[0]", "want the id of a task"},
		{"POST /v1/tasks", task(`"id":"me","depends_on":["me"]`), "depends_on[0]", "cannot wait for itself"},
		{"POST /v1/tasks", task(`"depends_on":"a"`), "depends_on", "want"},
		{"POST /v1/tasks", task(`"depends_on":[` + many(1001, `"%d"`) + `]`), "depends_on", "want 1 to 1000"},
		{"POST /v1/tasks", task(`"when":"always"`), "when", "name the tasks that have to end first"},
		{"POST /v1/tasks", task(`"depends_on":["a"],"when":"all_failed"`), "when", "any_failed"},
		{"POST /v1/tasks/batch", `{"atomic":true,"tasks":[` + task(`"id":"a","depends_on":["b"]`) + `,` + task(`"id":"b","depends_on":["a"]`) + `]}`, "tasks[0].depends_on", "in a circle"},
		{"POST /v1/tasks/batch", `{"atomic":true,"tasks":[` + task(`"id":"a"`) + `,` + task(`"depends_on":["x"]`) + `]}`, "tasks[1].depends_on[0]", "there is no task"},
		{"POST /v1/tasks/batch", `{"atomic":true,"tasks":[` + task(`"id":"a"`) + `,` + limit(`"key":"k"`) + `]}`, "tasks[1].limits[0]", "want concurrency"},
		{"PUT /v1/limits/k", `{"concurrency":0}`, "concurrency", "want 1 to 1000000"},
		{"PUT /v1/limits/k", `{"rate":"fast"}`, "rate", `such as "100/s"`},
		{"PUT /v1/limits/k", `{"burst":3}`, "burst", `give one, such as "100/s"`},
		{"PUT /v1/limits/k", `{"paused":"yes"}`, "paused", "want"},
		{"PUT /v1/limits/k", `{"limit":5}`, "limit", ""},
		{"PUT /v1/limits/" + long, `{"concurrency":5}`, "key", "at most 200"},
		{"PUT /v1/limits/k", `[5]`, "body", "want an object"},
		{"PUT /v1/limits/k", `null`, "body", `want an object such as {"concurrency":5}`},
		{"PUT /v1/queues/q", `{"concurrency":0}`, "concurrency", "want 1 to 1000000"},
		{"PUT /v1/queues/q", `{"rate":"5/d"}`, "rate", "want"},
		{"PUT /v1/queues/q", `{"burst":5}`, "burst", `give one, such as "100/s"`},
		{"PATCH /v1/queues/there", `{"timeout":"1ms"}`, "timeout", "want"},
		{"PATCH /v1/queues/there", `{"retry":{"max_attempts":0}}`, "retry.max_attempts", "want"},
		{"PATCH /v1/queues/there", `{"target":"ftp://host/"}`, "target", "want"},
		{"PATCH /v1/queues/there", `{"retention":{"failed":"soon"}}`, "retention.failed", "want"},
	} {
		method, path, _ := strings.Cut(tt.request, " ")
		status, _, p := d.call(t, method, path, tt.body)
		what := fmt.Sprintf("%d: %s %.200s: %v", i, tt.request, tt.body, p)
		require.Equal(t, 422, status, what)
		require.Equal(t, "invalid_request", p["code"], what)
		first := p["errors"].([]any)[0].(map[string]any)
		require.Equal(t, tt.field, first["field"], what)
		require.Contains(t, first["message"], tt.fix, what)
	}
	_, _, list := d.call(t, "GET", "/v1/tasks", "")
	require.Empty(t, list["items"])
	_, _, limits := d.call(t, "GET", "/v1/limits", "")
	require.Len(t, limits["items"], 1)
	_, _, queues := d.call(t, "GET", "/v1/queues", "")
	settings := map[string]any{}
	for _, q := range queues["items"].([]any) {
		settings[q.(map[string]any)["name"].(string)] = q.(map[string]any)["settings"]
	}
	none := map[string]any{} // the queue of the tasks is made before the database finds what they depend on
	require.Equal(t, map[string]any{"there": map[string]any{"timeout": "30s"}, "default": none}, settings)
	status, _, _ := d.call(t, "GET", "/v1/limits/k", "")
	require.Equal(t, 404, status, "a gate was made")
}
