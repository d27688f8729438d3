package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// door is an engine behind a real HTTP server.
type door struct {
	*bundle
	url string
	key string // that is sent when a call brings no other
}

func openDoor(t *testing.T, cfg engine.Config, hc engine.HandlerConfig) *door {
	cfg.AllowLoopback = true
	b := open(t, cfg)
	b.run(t)
	for b.Ready(context.Background()) != nil {
		time.Sleep(time.Millisecond)
	}
	srv := httptest.NewServer(b.Handler(hc))
	t.Cleanup(func() {
		srv.Close()
		b.stop()
	})
	d := &door{bundle: b, url: srv.URL}
	if len(hc.APIKeys) > 0 {
		d.key = hc.APIKeys[0]
	}
	return d
}

// call sends a request and returns status, headers and the decoded answer.
func (d *door) call(t *testing.T, method, path, body string, headers ...string) (int, http.Header, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, d.url+path, strings.NewReader(body))
	require.NoError(t, err)
	if d.key != "" && !slices.Contains(headers, "Authorization") {
		req.Header.Set("Authorization", "Bearer "+d.key)
	}
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Add(headers[i], headers[i+1]); headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var v map[string]any
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		require.NoError(t, json.Unmarshal(b, &v), string(b))
	}
	return res.StatusCode, res.Header, v
}

// app is a user's app that gives the answers in turn, the last one for ever.
func app(t *testing.T, answers ...http.HandlerFunc) string {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := min(int(n.Add(1)), len(answers)) - 1
		answers[i](w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestATaskIsPushedAndItsStatusDecides(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	for _, tt := range []struct {
		name    string
		answers []http.HandlerFunc
		want    string
	}{
		{"200", []http.HandlerFunc{status(200)}, "succeeded <nil> 1"},
		{"500 twice, then 200", []http.HandlerFunc{status(500), status(500), status(200)}, "succeeded <nil> 3"},
		{"422", []http.HandlerFunc{status(422)}, "failed rejected 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := app(t, tt.answers...)
			code, h, got := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"payload":{"a":1},"retry":{"min_backoff":"20ms"}}`, url))
			require.Equal(t, 201, code, got)
			require.Equal(t, "/v1/tasks/"+got["id"].(string), h.Get("Location"))
			_, _, got = d.call(t, "GET", "/v1/tasks/"+got["id"].(string)+"?wait=10s", "")
			require.Equal(t, tt.want, fmt.Sprint(got["state"], " ", got["reason"], " ", got["attempts"]))
			require.Equal(t, map[string]any{"a": 1.0}, got["payload"])
			_, _, attempts := d.call(t, "GET", "/v1/tasks/"+got["id"].(string)+"/attempts", "")
			require.Len(t, attempts["items"], len(tt.answers))
		})
	}
}

func TestAWrongRequestIsRefusedByName(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{Local: true})
	big := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		field, text              string
	}{
		{"no body", "POST", "/v1/tasks", "", nil, 400, "", "empty"},
		{"no JSON", "POST", "/v1/tasks", "{", nil, 400, "", "not JSON"},
		{"two values", "POST", "/v1/tasks", "{}{}", nil, 400, "", "behind"},
		{"an unknown field", "POST", "/v1/tasks", `{"ulr":"x"}`, nil, 422, "ulr", "known field"},
		{"no object", "POST", "/v1/tasks", `[]`, nil, 422, "body", "want an object"},
		{"a label that is null", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","labels":{"a":null}}`, nil, 422, "labels.a", "want text"},
		{"a label that is a number", "POST", "/v1/tasks/batch", `{"tasks":[{},{"labels":{"a":1}}]}`, nil, 422, "tasks[1].labels.a", "want text"},
		{"a wrong type in a batch", "POST", "/v1/tasks/batch", `{"tasks":[{},{"priority":"high"}]}`, nil, 422, "tasks[1].priority", "whole number"},
		{"half a character in a name", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","name":"a\\\ud83d\ud83d\ude00"}`, nil, 422, "name", `\ud83d`},
		{"half a character in a label", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","labels":{"a":"\uDE00"}}`, nil, 422, "labels.a", `\uDE00`},
		{"half a character in the name of a label", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","labels":{"\ud83dx":""}}`, nil, 422, "labels", `\ud83d`},
		{"a wrong type", "POST", "/v1/tasks", `{"priority":"high"}`, nil, 422, "priority", "whole number"},
		{"no target", "POST", "/v1/tasks", `{}`, nil, 422, "url", "exactly one target"},
		{"two targets", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","handler":"h"}`, nil, 422, "url", "exactly one target"},
		{"a process where there are none", "POST", "/v1/tasks", `{"process":"f"}`, nil, 422, "process", "has no processes"},
		{"a function without an endpoint", "POST", "/v1/tasks", `{"function":"f"}`, nil, 422, "endpoint", "is missing"},
		{"a function that is no name", "POST", "/v1/tasks", `{"function":"a b","endpoint":"http://127.0.0.1:1"}`, nil, 422, "function", "want a name"},
		{"a Lambda", "POST", "/v1/tasks", `{"function":"f","endpoint":"arn:aws:lambda:x"}`, nil, 422, "endpoint", "Lambda functions are not called"},
		{"no URL", "POST", "/v1/tasks", `{"url":"::"}`, nil, 422, "url", "not a URL"},
		{"another scheme", "POST", "/v1/tasks", `{"url":"ftp://h/"}`, nil, 422, "url", "http or https"},
		{"no host", "POST", "/v1/tasks", `{"url":"http:///p"}`, nil, 422, "url", "no host"},
		{"a private address", "POST", "/v1/tasks", `{"url":"http://169.254.169.254/"}`, nil, 422, "url", "--allow-egress"},
		{"a bad method", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","method":"get"}`, nil, 422, "method", "capitals"},
		{"a reserved header", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","headers":{"sendoff-token":"1"}}`, nil, 422, "headers.sendoff-token", "set by"},
		{"a header with a line break", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","headers":{"A":"b\nc"}}`, nil, 422, "headers.A", "control"},
		{"a bad duration", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","delay":"soon"}`, nil, 422, "delay", "duration"},
		{"a bad time", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","run_at":"noon"}`, nil, 422, "run_at", "a time such as"},
		{"an expiry in the past", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","expires_at":"2020-01-01T00:00:00Z"}`, nil, 422, "expires_at", "after"},
		{"a priority out of range", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","priority":10}`, nil, 422, "priority", "0 (first) to 9"},
		{"a timeout out of range", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","timeout":0.1}`, nil, 422, "timeout", "want 1s"},
		{"a bad base64", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","body_base64":"?"}`, nil, 422, "body_base64", "base64"},
		{"a bad rule", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","unique":{"key":"k","on_conflict":"fight"}}`, nil, 422, "unique.on_conflict", "return, reject"},
		{"a payload too large", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/","payload":"` + big + `"}`, nil, 422, "payload", "1048576"},
		{"a body too large", "POST", "/v1/tasks", `{"payload":"` + big + big + `"}`, nil, 413, "", "at most"},
		{"a compressed body", "POST", "/v1/tasks", `x`, []string{"Content-Encoding", "gzip"}, 415, "", "gzip"},
		{"an empty batch", "POST", "/v1/tasks/batch", `{"tasks":[]}`, nil, 422, "tasks", "1 to 1000"},
		{"a faulty task in an atomic batch", "POST", "/v1/tasks/batch", `{"atomic":true,"tasks":[{"url":"http://127.0.0.1/"},{}]}`, nil, 422, "tasks[1].url", "target"},
		{"a bad state", "GET", "/v1/tasks?state=done", "", nil, 422, "state", "want one of"},
		{"an unknown filter", "GET", "/v1/tasks?statee=ready", "", nil, 422, "statee", "not a filter"},
		{"a bad limit", "GET", "/v1/tasks?limit=0", "", nil, 422, "limit", ">= 1"},
		{"a bad cursor", "GET", "/v1/tasks?cursor=x", "", nil, 422, "cursor", "next_cursor"},
		{"a bad wait", "GET", "/v1/tasks/x?wait=long", "", nil, 422, "wait", "duration"},
		{"an unknown task", "GET", "/v1/tasks/x", "", nil, 404, "", "not found"},
		{"an unknown queue", "POST", "/v1/queues/nope/pause", "", nil, 404, "", "nope"},
		{"an unknown path", "GET", "/v2", "", nil, 404, "", "openapi"},
		{"another method", "PUT", "/v1/tasks", "", nil, 405, "", "GET or POST"},
		{"another site", "POST", "/v1/tasks", `{"url":"http://127.0.0.1/"}`, []string{"Origin", "https://evil.example"}, 403, "", "another site"},
		{"another host", "GET", "/v1/tasks", "", []string{"Host", "rebound.example"}, 403, "", "rebound.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, h, got := d.call(t, tt.method, tt.path, tt.body, tt.headers...)
			require.Equal(t, tt.status, code, got)
			require.Equal(t, "application/problem+json", h.Get("Content-Type"))
			require.Contains(t, got["detail"], tt.text)
			if tt.field != "" {
				require.Equal(t, tt.field, got["errors"].([]any)[0].(map[string]any)["field"], got)
			}
		})
	}
	_, _, all := d.call(t, "GET", "/v1/tasks", "")
	require.Empty(t, all["items"], "a refused request has stored something")
}

func TestKeysOfATask(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	post := func(body string, headers ...string) (int, http.Header, map[string]any) {
		return d.call(t, "POST", "/v1/tasks", body, headers...)
	}
	const one = `{"url":"http://127.0.0.1:1/","delay":"1h","priority":3}`

	t.Run("the same request with the same Idempotency-Key gets the same answer", func(t *testing.T) {
		code, _, first := post(one, "Idempotency-Key", "k1")
		require.Equal(t, 201, code)
		_, _, _ = d.call(t, "POST", "/v1/tasks/"+first["id"].(string)+"/cancel", "")
		code, h, again := post(one, "Idempotency-Key", "k1")
		require.Equal(t, 200, code)
		require.Equal(t, "true", h.Get("Idempotent-Replayed"))
		require.Equal(t, first, again)
	})
	t.Run("another request with the same Idempotency-Key is refused", func(t *testing.T) {
		code, _, got := post(`{"url":"http://127.0.0.1:1/other"}`, "Idempotency-Key", "k1")
		require.Equal(t, 422, code)
		require.Equal(t, "idempotency_key_reused", got["code"])
	})
	t.Run("a client's id is the task's id, once", func(t *testing.T) {
		code, _, got := post(`{"id":"order-42","url":"http://127.0.0.1:1/"}`)
		require.Equal(t, 201, code)
		require.Equal(t, "order-42", got["id"])
		code, _, got = d.call(t, "GET", "/v1/tasks/order-42", "")
		require.Equal(t, 200, code)
		require.Equal(t, "ready", got["state"])
		code, _, got = post(`{"id":"order-42","url":"http://127.0.0.1:1/"}`)
		require.Equal(t, 409, code)
		require.Equal(t, "id", got["errors"].([]any)[0].(map[string]any)["field"])
	})
	t.Run("a unique key returns, rejects or replaces", func(t *testing.T) {
		body := `{"url":"http://127.0.0.1:1/","unique":{"key":"customer-7","on_conflict":%q}}`
		_, _, first := post(fmt.Sprintf(body, "return"))
		code, _, again := post(fmt.Sprintf(body, "return"))
		require.Equal(t, 200, code)
		require.Equal(t, first["id"], again["id"])
		code, _, _ = post(fmt.Sprintf(body, "reject"))
		require.Equal(t, 409, code)
		code, _, next := post(fmt.Sprintf(body, "replace"))
		require.Equal(t, 201, code)
		require.NotEqual(t, first["id"], next["id"])
		_, _, old := d.call(t, "GET", "/v1/tasks/"+first["id"].(string), "")
		require.Equal(t, "canceled replaced", fmt.Sprint(old["state"], " ", old["reason"]))
	})
	t.Run("a batch is all or nothing, or item by item", func(t *testing.T) {
		batch := `{"atomic":%t,"tasks":[{"id":"b1","url":"http://127.0.0.1:1/"},{"id":"order-42","url":"http://127.0.0.1:1/"}]}`
		code, _, got := d.call(t, "POST", "/v1/tasks/batch", fmt.Sprintf(batch, true))
		require.Equal(t, 200, code)
		require.Equal(t, "[skipped conflict]", fmt.Sprint(itemStatuses(got)))
		code, _, got = d.call(t, "POST", "/v1/tasks/batch", fmt.Sprintf(batch, false))
		require.Equal(t, 201, code)
		require.Equal(t, "[created conflict]", fmt.Sprint(itemStatuses(got)))
	})
	t.Run("a batch with one id twice is told so", func(t *testing.T) {
		one := `{"id":"twin","url":"http://127.0.0.1:1/"}`
		code, _, got := d.call(t, "POST", "/v1/tasks/batch", `{"atomic":true,"tasks":[`+one+`,`+one+`]}`)
		require.Equal(t, 200, code)
		require.Equal(t, "[skipped conflict]", fmt.Sprint(itemStatuses(got)))
		problem := got["items"].([]any)[1].(map[string]any)["error"].(map[string]any)
		require.Equal(t, "already_exists", problem["code"], "nothing was deleted: %s", problem["detail"])
		require.Contains(t, problem["detail"], "another task of this batch has this id")
	})
}

func itemStatuses(got map[string]any) (out []any) {
	for _, item := range got["items"].([]any) {
		out = append(out, item.(map[string]any)["status"])
	}
	return out
}

func TestDispatchrsClientsAreServed(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{Local: true})
	got := make(chan string, 1)
	url := app(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.Method + " " + r.Header.Get("X-Task-Name") + " " + r.Header.Get("Content-Type") + " " + string(body)
	})
	code, _, pong := d.call(t, "GET", "/ping", "")
	require.Equal(t, 200, code)
	require.Equal(t, "pong", pong["message"])
	code, _, added := d.call(t, "POST", "/task", fmt.Sprintf(`{"target":%q,"taskName":"n","taskArgs":{"data":"here"}}`, url),
		"Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, 200, code, added)
	require.Equal(t, "task added", added["message"])
	require.Equal(t, `POST n application/json {"data":"here"}`, <-got)
	code, _, shown := d.call(t, "GET", fmt.Sprintf("/v1/tasks/%.0f?wait=5s", added["job"]), "")
	require.Equal(t, 200, code)
	require.Equal(t, "succeeded", shown["state"])
	code, _, refused := d.call(t, "POST", "/task", `{"taskName":"n"}`)
	require.Equal(t, 400, code)
	require.Contains(t, refused["error"], "target")
}

func TestAKeyOpensTheDoors(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{APIKeys: []string{"old", "new"}})
	for _, tt := range []struct {
		path, auth string
		want       int
	}{
		{"/v1/tasks", "", 401}, {"/v1/tasks", "Bearer wrong", 401}, {"/v1/tasks", "new", 401}, {"/metrics", "", 401},
		{"/v1/tasks", "Bearer new", 200}, {"/v1/tasks", "Bearer old", 200}, {"/livez", "", 200}, {"/readyz", "", 200},
	} {
		code, _, _ := d.call(t, "GET", tt.path, "", "Authorization", tt.auth)
		require.Equal(t, tt.want, code, tt)
	}
}

func TestQueuesArePausedPurgedAndMeasured(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	url := app(t, status(200))
	_, _, first := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"queue":"mail"}`, url))
	_, _, _ = d.call(t, "GET", "/v1/tasks/"+first["id"].(string)+"?wait=5s", "")
	code, _, q := d.call(t, "POST", "/v1/queues/mail/pause", "")
	require.Equal(t, "200 true", fmt.Sprint(code, " ", q["paused"]))
	for range 3 {
		d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"queue":"mail"}`, url))
	}
	d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"queue":"mail","delay":"1h"}`, url))
	_, _, other := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"queue":"other"}`, url))
	_, _, other = d.call(t, "GET", "/v1/tasks/"+other["id"].(string)+"?wait=5s", "")
	require.Equal(t, "succeeded", other["state"], "by then, those of the paused queue would have run")
	_, _, stats := d.call(t, "GET", "/v1/queues/mail/stats", "")
	require.Equal(t, "3 1 0", fmt.Sprint(stats["ready"], " ", stats["scheduled"], " ", stats["running"]), stats)
	_, _, page := d.call(t, "GET", "/v1/tasks?queue=mail&state=ready&state=scheduled&limit=2", "")
	require.Len(t, page["items"], 2)
	_, _, page = d.call(t, "GET", "/v1/tasks?queue=mail&state=ready&state=scheduled&limit=3&cursor="+page["next_cursor"].(string), "")
	require.Len(t, page["items"], 2)
	_, _, purged := d.call(t, "POST", "/v1/queues/mail/purge", "")
	require.EqualValues(t, 4, purged["purged"])
	_, _, q = d.call(t, "POST", "/v1/queues/mail/resume", "")
	require.Equal(t, false, q["paused"])
	_, _, last := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"queue":"mail"}`, url))
	_, _, last = d.call(t, "GET", "/v1/tasks/"+last["id"].(string)+"?wait=5s", "")
	require.Equal(t, "succeeded", last["state"])
}

func TestEveryRouteIsInTheOpenAPIDocument(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	_, _, doc := d.call(t, "GET", "/openapi.json", "")
	require.Equal(t, "3.1.0", doc["openapi"])
	n := 0
	for path, methods := range doc["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			n++
			path := strings.NewReplacer("{id}", "x", "{name}", "x", "{key}", "x", "{host}", "x", "{token}", "1", "/v1/events", "/v1/events?topics=x").Replace(path)
			code, _, _ := d.call(t, strings.ToUpper(method), path, "")
			require.NotEqual(t, 405, code, method+" "+path)
			require.NotEqual(t, 501, code, method+" "+path)
		}
	}
	require.Equal(t, 96, n)
}
