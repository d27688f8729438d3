package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// TestWhatATaskCannotWaitForIsRefused: each of these requests names the field and what
// would be right, and stores nothing.
func TestWhatATaskCannotWaitForIsRefused(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	x := strings.Repeat
	many := func(n int, entry string) string {
		out := make([]string, n)
		for i := range out {
			out[i] = strings.ReplaceAll(entry, "#", fmt.Sprint(i))
		}
		return strings.Join(out, ",")
	}
	for _, tt := range []struct{ fields, field, fix string }{
		{`"limits":{}`, "limits", "want a list"},
		{`"limits":"customer"`, "limits", "want a list"},
		{`"limits":[]`, "limits", "want 1 to 8"},
		{`"limits":[` + many(9, `{"key":"k#","concurrency":1}`) + `]`, "limits", "want 1 to 8"},
		{`"limits":[5]`, "limits[0]", "want an object"},
		{`"limits":[null]`, "limits[0].key", "is empty"},
		{`"limits":[{"concurrency":5}]`, "limits[0].key", "is empty"},
		{`"limits":[{"key":"","concurrency":5}]`, "limits[0].key", "is empty"},
		{`"limits":[{"key":".","concurrency":5}]`, "limits[0].key", "choose another"},
		{`"limits":[{"key":7,"concurrency":5}]`, "limits[0].key", "want text"},
		{`"limits":[{"key":"` + x("k", 201) + `","concurrency":5}]`, "limits[0].key", "at most 200"},
		{`"limits":[{"key":"a\u0000b","concurrency":5}]`, "limits[0].key", "without control characters"},
		{`"limits":[{"key":"k"}]`, "limits[0]", "want concurrency"},
		{`"limits":[{"key":"k","concurrency":0}]`, "limits[0].concurrency", "want 1 to 1000000"},
		{`"limits":[{"key":"k","concurrency":-1}]`, "limits[0].concurrency", "want 1 to 1000000"},
		{`"limits":[{"key":"k","concurrency":1000001}]`, "limits[0].concurrency", "want 1 to 1000000"},
		{`"limits":[{"key":"k","concurrency":1.5}]`, "limits[0].concurrency", "want a whole number"},
		{`"limits":[{"key":"k","concurrency":"5"}]`, "limits[0].concurrency", "want a whole number"},
		{`"limits":[{"key":"k","rate":""}]`, "limits[0].rate", `such as "100/s"`},
		{`"limits":[{"key":"k","rate":100}]`, "limits[0].rate", "want text"},
		{`"limits":[{"key":"k","rate":"100"}]`, "limits[0].rate", `such as "100/s"`},
		{`"limits":[{"key":"k","rate":"100/d"}]`, "limits[0].rate", `such as "100/s"`},
		{`"limits":[{"key":"k","rate":"0/s"}]`, "limits[0].rate", "want 1 to 1000000"},
		{`"limits":[{"key":"k","rate":"1.5/s"}]`, "limits[0].rate", "want 1 to 1000000"},
		{`"limits":[{"key":"k","rate":"1000001/s"}]`, "limits[0].rate", "want 1 to 1000000"},
		{`"limits":[{"key":"k","concurrency":1,"burst":5}]`, "limits[0].burst", "belongs to a rate"},
		{`"limits":[{"key":"k","rate":"1/s","burst":0}]`, "limits[0].burst", "want 1 to 1000000"},
		{`"limits":[{"key":"k","rate":"1/s","burst":1000001}]`, "limits[0].burst", "want 1 to 1000000"},
		{`"limits":[{"key":"k","concurrency":1,"per":"s"}]`, "limits[0].per", "/openapi.json"},
		{`"limits":[{"key":"k","concurrency":1},{"key":"k","rate":"1/s"}]`, "limits[1].key", "want each once"},
		{`"order_key":""`, "order_key", "leave it out"},
		{`"order_key":["a"]`, "order_key", "want text"},
		{`"order_key":"` + x("k", 201) + `"`, "order_key", "at most 200"},
		{`"on_duplicate":"skip"`, "on_duplicate", "want parallel, serial, discard, queue_one or replace"},
		{`"on_duplicate":""`, "on_duplicate", "want parallel, serial, discard, queue_one or replace"},
		{`"duplicate_key":"k"`, "duplicate_key", "belongs to on_duplicate"},
		{`"on_duplicate":"parallel","duplicate_key":"k"`, "duplicate_key", "belongs to on_duplicate"},
		{`"on_duplicate":"serial","duplicate_key":""`, "duplicate_key", "leave it out"},
		{`"on_duplicate":"serial","duplicate_key":"` + x("k", 201) + `"`, "duplicate_key", "at most 200"},
		{`"depends_on":"a"`, "depends_on", "want a list"},
		{`"depends_on":[7]`, "depends_on[0]", "want text"},
		{`"depends_on":[null]`, "depends_on[0]", "want text"},
		{`"depends_on":[""]`, "depends_on[0]", "is empty"},
		{`"depends_on":["nobody"]`, "depends_on[0]", "want the id of one that is stored"},
		{`"depends_on":["01a20468-db79-7b97-bbfc-4d22d6ca9910"]`, "depends_on[0]", "want the id of one that is stored"},
		{`"id":"me","depends_on":["me"]`, "depends_on[0]", "cannot wait for itself"},
		{`"depends_on":[` + many(1001, `"t#"`) + `]`, "depends_on", "want 1 to 1000"},
		{`"when":"always"`, "when", "belongs to depends_on"},
		{`"depends_on":["nobody"],"when":"all_failed"`, "when", "want all_ok, always or any_failed"},
		{`"depends_on":["nobody"],"when":""`, "when", "want all_ok, always or any_failed"},
		{`"Limits":[]`, "Limits", "/openapi.json"},
		{`"order_key":"a","order_key":"b"`, "order_key", "given twice"},
	} {
		one := `{"url":"http://127.0.0.1:1/",` + tt.fields + `}`
		for path, prefix := range map[string]string{"/v1/tasks": "", "/v1/tasks/batch": "tasks[0]."} {
			body := one
			if prefix != "" {
				body = `{"tasks":[` + one + `],"atomic":true}`
			}
			status, _, got := d.call(t, "POST", path, body)
			require.Equal(t, 422, status, "%s %s", path, tt.fields)
			require.Equal(t, "invalid_request", got["code"], tt.fields)
			faults, _ := got["errors"].([]any)
			require.Len(t, faults, 1, "%s: %v", tt.fields, got)
			fault := faults[0].(map[string]any)
			require.Contains(t, []string{prefix + tt.field, tt.field}, fault["field"], tt.fields)
			require.Contains(t, fault["message"], tt.fix, tt.fields)
		}
		require.Zero(t, d.count(t), "%s: something was stored", tt.fields)
	}

	status, _, got := d.call(t, "POST", "/v1/tasks/batch", `{"atomic":true,"tasks":[{"id":"a","url":"http://127.0.0.1:1/","depends_on":["b"]},
		{"id":"b","url":"http://127.0.0.1:1/","depends_on":["a"]}]}`)
	require.Equal(t, 422, status)
	require.Contains(t, got["detail"], "tasks[0].depends_on: leads in a circle")
	require.Zero(t, d.count(t))
}

func TestAWrongLimitIsRefused(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	for _, tt := range []struct{ key, body, field, fix string }{
		{"k", `{}`, "concurrency", "want concurrency"},
		{"k", `{"paused":false}`, "concurrency", "want concurrency"},
		{"k", `[]`, "body", "want an object"},
		{"k", `{"concurrency":0}`, "concurrency", "want 1 to 1000000"},
		{"k", `{"concurrency":-3}`, "concurrency", "want 1 to 1000000"},
		{"k", `{"concurrency":"3"}`, "concurrency", "want a whole number"},
		{"k", `{"rate":"fast"}`, "rate", `such as "100/s"`},
		{"k", `{"burst":3}`, "burst", "belongs to a rate"},
		{"k", `{"rate":"1/s","burst":0}`, "burst", "want 1 to 1000000"},
		{"k", `{"concurrency":1,"paused":"yes"}`, "paused", "want true or false"},
		{"k", `{"concurrency":1,"key":"other"}`, "key", "/openapi.json"},
		{strings.Repeat("k", 201), `{"concurrency":1}`, "key", "at most 200"},
		{"a%00b", `{"concurrency":1}`, "key", "control"},
	} {
		status, _, got := d.call(t, "PUT", "/v1/limits/"+tt.key, tt.body)
		require.Equal(t, 422, status, tt.body)
		faults, _ := got["errors"].([]any)
		require.Len(t, faults, 1, "%s: %v", tt.body, got)
		fault := faults[0].(map[string]any)
		require.Equal(t, tt.field, fault["field"], tt.body)
		require.Contains(t, fault["message"], tt.fix, tt.body)
	}
	_, _, got := d.call(t, "GET", "/v1/limits", "")
	require.Empty(t, got["items"])
	for _, method := range []string{"GET", "DELETE"} {
		status, _, got := d.call(t, method, "/v1/limits/nobody", "")
		require.Equal(t, 404, status)
		require.Contains(t, got["detail"], `limit "nobody"`)
	}
}
