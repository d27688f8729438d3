package engine_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// labels is the JSON of so many labels.
func labels(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(`"l%d":"x"`, i)
	}
	return "{" + strings.Join(out, ",") + "}"
}

// TestEachFieldKeepsItsDocumentedRange submits a task with each field at both
// ends of its range, and just beyond them.
func TestEachFieldKeepsItsDocumentedRange(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	x := strings.Repeat
	quoted := func(s string) string { return `"` + s + `"` }
	bytes := func(n int) string { return quoted(base64.StdEncoding.EncodeToString(make([]byte, n))) }
	header := func(size int) string { return `{"A":"` + x("v", size-1) + `"}` }
	century := time.Now().AddDate(99, 0, 0).UTC().Format(time.RFC3339)
	for _, f := range []struct {
		field      string // dotted; its value stands for %s
		in, beyond []string
	}{
		{"url", []string{quoted("http://127.0.0.1/" + x("p", 4096-17))}, []string{quoted("http://127.0.0.1/" + x("p", 4097-17))}},
		{"queue", []string{quoted(x("q", 100))}, []string{quoted(x("q", 101)), quoted("a b"), quoted("a/b"), quoted(".")}},
		{"name", []string{quoted(x("n", 200))}, []string{quoted(x("n", 201)), quoted("a\\u0000")}},
		{"group", []string{quoted(x("g", 200))}, []string{quoted(x("g", 201))}},
		{"content_type", []string{quoted(x("c", 200))}, []string{quoted(x("c", 201))}},
		{"id", []string{quoted(x("i", 200))}, []string{quoted(x("i", 201)), quoted("a b"), quoted("a%")}},
		{"payload", []string{quoted(x("p", 1<<20-2))}, []string{quoted(x("p", 1<<20-1))}},
		{"body_base64", []string{bytes(1 << 20)}, []string{bytes(1<<20 + 1), quoted("AA")}},
		{"headers", []string{header(16 << 10)}, []string{header(16<<10 + 1)}},
		{"labels", []string{labels(32), `{"` + x("k", 100) + `":"` + x("v", 500) + `"}`},
			[]string{labels(33), `{"` + x("k", 101) + `":""}`, `{"k":"` + x("v", 501) + `"}`, `{"":"v"}`}},
		{"delay", []string{`0`, `"0s"`, `0.5`, `"100ms"`, `1e9`, `3153600000`, `"876000h"`},
			[]string{`-1`, `"-1s"`, `3153600001`, `"876001h"`, `1e300`, `"1"`, `true`, `{}`}},
		{"run_at", []string{`"1970-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"2026-01-31t12:00:00.5z"`, `"2026-01-31T12:00:00+23:59"`, `"2016-12-31T23:59:60Z"`},
			[]string{`"0001-01-01T00:00:00Z"`, `"1969-12-31T23:59:59Z"`, `"9999-12-31T23:59:59-00:01"`, `"2026-01-31T12:00:00,5Z"`, `"2026-01-31T12:00:00+24:00"`,
				`"2026-01-31T12:00:00+00:60"`, `"2026-01-31T1:00:00Z"`, `"2026-01-31 12:00:00Z"`, `"2026-02-30T12:00:00Z"`, `"2026-01-31T12:00:60Z"`, `"2026-01-31T12:00:00"`}},
		{"expires_at", []string{quoted(century)}, []string{`"2020-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`}},
		{"priority", []string{`0`, `9`}, []string{`-1`, `10`, `1.5`}},
		{"timeout", []string{`1`, `"1s"`, `"24h"`, `86400`, `null`}, []string{`0`, `"0s"`, `0.999`, `1e-10`, `"24h0m1s"`, `-1`}},
		{"retry.max_attempts", []string{`1`, `10000`}, []string{`0`, `10001`, `-1`, `3000000000`}},
		{"retry.max_age", []string{`"1ms"`, `"876000h"`}, []string{`0`, `"999us"`, `1e-10`, `"876001h"`, `-1`}},
		{"retry.min_backoff", []string{`0.001`, `"876000h"`}, []string{`0`, `"0s"`, `"1us"`, `"876001h"`, `-1`}},
		{"retry.max_backoff", []string{`"1ms"`, `3153600000`}, []string{`0`, `"999us"`, `3153600001`, `-1`}},
		{"retry.factor", []string{`1`, `100`}, []string{`0`, `0.99`, `100.1`, `-1`}},
		{"retry.jitter", []string{`0`, `1`}, []string{`-0.1`, `1.1`}},
		{"unique.window", []string{`0`, `"1ms"`, `"876000h"`}, []string{`-1`, `"876001h"`}},
		{"unique.key", []string{quoted(x("k", 500))}, []string{quoted(x("k", 501)), `""`}},
	} {
		t.Run(f.field, func(t *testing.T) {
			for want, values := range map[int][]string{201: f.in, 422: f.beyond} {
				for _, v := range values {
					code, _, got := d.call(t, "POST", "/v1/tasks", taskWith(f.field, v))
					require.Equal(t, want, code, "%s = %.80s: %.300v", f.field, v, got)
					if want == 422 {
						told := strings.ReplaceAll(fmt.Sprint(got["errors"]), "field:payload", "field:payload body_base64") // one limit for both
						require.Contains(t, told, f.field, "the fault is told of another field")
					}
				}
			}
		})
	}
}

// taskWith is a task that waits, with one field as given.
func taskWith(field, value string) string {
	outer, inner, nested := strings.Cut(field, ".")
	if nested && outer == "unique" && inner != "key" {
		return fmt.Sprintf(`{"url":"http://127.0.0.1:1/","unique":{"key":"%x",%q:%s}}`, value, inner, value)
	}
	if nested {
		value = fmt.Sprintf("{%q:%s}", inner, value)
	}
	if outer == "url" {
		return fmt.Sprintf(`{"url":%s}`, value)
	}
	return fmt.Sprintf(`{"url":"http://127.0.0.1:1/",%q:%s}`, outer, value)
}

func TestAValueThatIsGivenIsNotReplaced(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	for _, tt := range []struct{ target, retry, want string }{
		{`"url":"http://127.0.0.1:1/"`, `{"max_backoff":"500ms"}`, "25 500ms 500ms 2"},
		{`"url":"http://127.0.0.1:1/"`, `{"min_backoff":"2h"}`, "25 2h0m0s 2h0m0s 2"},
		{`"url":"http://127.0.0.1:1/"`, `{"min_backoff":"1ms","factor":1}`, "25 1ms 1h0m0s 1"},
		{`"function":"f","endpoint":"http://127.0.0.1:1"`, `{"max_backoff":"100ms","max_attempts":0}`, "0 100ms 100ms 2"},
		{`"function":"f","endpoint":"http://127.0.0.1:1"`, `{"min_backoff":"10m","max_attempts":20000}`, "20000 10m0s 10m0s 2"},
	} {
		code, _, got := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{%s,"retry":%s}`, tt.target, tt.retry))
		require.Equal(t, 201, code, got)
		r := got["retry"].(map[string]any)
		require.Equal(t, tt.want, fmt.Sprint(r["max_attempts"], " ", r["min_backoff"], " ", r["max_backoff"], " ", r["factor"]), tt.retry)
	}
}

func TestAListingAndAWaitReadTimesAsASubmissionDoes(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	_, _, _ = d.call(t, "POST", "/v1/tasks", `{"id":"x","url":"http://127.0.0.1:1/"}`)
	for query, want := range map[string]int{
		"?limit=1": 200, "?limit=500": 200, "?limit=0": 422, "?limit=501": 422,
		"?created_after=2026-01-31t12:00:00z": 200, "?created_before=2026-01-31T12:00:00,5Z": 422, "?finished_after=2026-01-31T12:00:00%2B24:00": 422,
		"/x?wait=0": 200, "/x?wait=0.01": 200, "/x?wait=10ms": 200, "/x?wait=-1s": 422, "/x?wait=soon": 422,
	} {
		code, _, got := d.call(t, "GET", "/v1/tasks"+query, "")
		require.Equal(t, want, code, "%s: %v", query, got)
	}
}

func TestTheDefaultExpiryOfAFunctionIsATimeThatCanBeWritten(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	code, _, got := d.call(t, "POST", "/v1/tasks", `{"function":"f","endpoint":"http://127.0.0.1:1","run_at":"9999-12-31T23:00:00Z"}`)
	require.Equal(t, 201, code, got)
	_, err := task.ParseTime(got["expires_at"].(string))
	require.NoError(t, err)
}
