package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// changed sends a change and returns the task, which is the one that GET shows.
func (d *door) changed(t *testing.T, id, body string) map[string]any {
	t.Helper()
	code, _, got := d.call(t, "PATCH", "/v1/tasks/"+id, body)
	require.Equal(t, 200, code, got)
	_, _, seen := d.call(t, "GET", "/v1/tasks/"+id, "")
	require.Equal(t, seen, got)
	return got
}

func TestATaskThatHasNotStartedIsChanged(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	d.call(t, "PUT", "/v1/queues/slow", `{"timeout":"5m","retry":{"max_attempts":3}}`)
	id := submit(t, d, `{"url":"http://127.0.0.1:1","delay":"1h","labels":{"a":"1","b":"2"},"retry":{"max_attempts":7,"min_backoff":"5s"},"timeout":"30s","payload":1}`)

	got := d.changed(t, id, `{"queue":"slow","priority":0,"labels":{"b":null,"c":"3"},"retry":{"min_backoff":"9s"}}`)
	require.Equal(t, map[string]any{"a": "1", "c": "3"}, got["labels"])
	require.Equal(t, "slow 0 30s scheduled", fmt.Sprint(got["queue"], " ", got["priority"], " ", got["timeout"], " ", got["state"]))
	retry := got["retry"].(map[string]any)
	require.Equal(t, []any{7.0, "9s"}, []any{retry["max_attempts"], retry["min_backoff"]})

	got = d.changed(t, id, `{"timeout":null,"retry":{"max_attempts":null},"labels":null,"priority":null,"queue":null,"expires_at":"2100-01-01T00:00:00Z"}`)
	require.Equal(t, "default 5 1m0s", fmt.Sprint(got["queue"], " ", got["priority"], " ", got["timeout"]), "what its new queue says, which is nothing")
	require.Nil(t, got["labels"])
	require.Equal(t, 25.0, got["retry"].(map[string]any)["max_attempts"])
	got = d.changed(t, id, `{"run_at":"2099-01-01T00:00:00Z","payload":{"big":9007199254740993,"null":null}}`)
	require.Equal(t, "2099-01-01T00:00:00.000000Z", got["run_at"])
	require.Contains(t, got["payload"], "null")
	require.Equal(t, "2100-01-01T00:00:00.000000Z", got["expires_at"])
	got = d.changed(t, id, `{"body_base64":"/wA="}`)
	require.Equal(t, []any{nil, "/wA=", "application/octet-stream"}, []any{got["payload"], got["payload_base64"], got["content_type"]})
	got = d.changed(t, id, `{"payload":{}}`)
	require.Equal(t, []any{map[string]any{}, nil, "application/json"}, []any{got["payload"], got["payload_base64"], got["content_type"]})
	got = d.changed(t, id, `{"expires_at":null,"run_at":null}`)
	require.Nil(t, got["expires_at"])
	require.Equal(t, "ready", got["state"])
	got = d.changed(t, id, `{"delay":"1h"}`)
	require.Equal(t, "scheduled delayed", fmt.Sprint(got["state"], " ", got["reason"]))
}

func TestAWrongChangeIsRefusedByName(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	id := submit(t, d, `{"url":"http://127.0.0.1:1","delay":"1h","expires_at":"2099-01-01T00:00:00Z"}`)
	_, _, before := d.call(t, "GET", "/v1/tasks/"+id, "")
	for body, field := range map[string]string{
		`{"body_base64":"?"}`: "body_base64", `{"body_base64":null}`: "body_base64", `{"payload":1,"body_base64":"AA=="}`: "payload",
		`{"url":"http://127.0.0.1:2"}`: "url",
		`{"name":"n"}`:                 "name",
		`{}`:                           "body",
		`[]`:                           "body",
		`{"delay":"1m","run_at":"2098-01-01T00:00:00Z"}`:             "run_at",
		`{"delay":0,"run_at":"2098-01-01T00:00:00Z"}`:                "run_at",
		`{"run_at":"2099-01-01T00:00:00Z"}`:                          "run_at",
		`{"delay":"-1s"}`:                                            "delay",
		`{"delay":"1h","expires_at":"2020-01-01T00:00:00Z"}`:         "expires_at",
		`{"expires_at":"2020-01-01T00:00:00Z"}`:                      "expires_at",
		`{"priority":10}`:                                            "priority",
		`{"queue":"a/b"}`:                                            "queue",
		`{"queue":""}`:                                               "queue",
		`{"timeout":"1ms"}`:                                          "timeout",
		`{"timeout":0}`:                                              "timeout",
		`{"retry":{"max_attempts":0}}`:                               "retry.max_attempts",
		`{"retry":{"min_backoff":"2s","max_backoff":"1s"}}`:          "retry.min_backoff",
		`{"retry":{"tries":1}}`:                                      "retry.tries",
		`{"labels":{"a":1}}`:                                         "labels.a",
		`{"labels":{"":"x"}}`:                                        "labels",
		`{"priority":"high"}`:                                        "priority",
		`{"payload":"` + strings.Repeat("x", task.MaxPayload) + `"}`: "payload",
	} {
		code, _, got := d.call(t, "PATCH", "/v1/tasks/"+id, body)
		require.Equal(t, 422, code, "%.80s: %v", body, got)
		require.Equal(t, field, got["errors"].([]any)[0].(map[string]any)["field"], "%.80s", body)
	}
	code, _, got := d.call(t, "PATCH", "/v1/tasks/nobody", `{"delay":"1h"}`)
	require.Equal(t, "404 not_found", fmt.Sprint(code, " ", got["code"]))
	_, _, after := d.call(t, "GET", "/v1/tasks/"+id, "")
	require.Equal(t, before, after)
}

func TestAChangeSaysInWhichStateATaskIsThatCannotBeChanged(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	stays := make(chan struct{})
	defer close(stays)
	busy := app(t, func(http.ResponseWriter, *http.Request) { <-stays })
	refused := func(id, state string) {
		code, _, got := d.call(t, "PATCH", "/v1/tasks/"+id, `{"priority":0}`)
		require.Equal(t, "409 state_conflict", fmt.Sprint(code, " ", got["code"]))
		require.Contains(t, got["detail"], "the task is "+state)
	}
	inState := func(body, state string) string {
		id := submit(t, d, body)
		require.Eventually(t, func() bool {
			_, _, got := d.call(t, "GET", "/v1/tasks/"+id, "")
			return got["state"] == state
		}, 10*time.Second, 5*time.Millisecond)
		return id
	}
	refused(ended(t, d), "canceled (requested)")
	refused(inState(fmt.Sprintf(`{"url":%q}`, busy), "running"), "running")
	refused(inState(`{"url":"http://127.0.0.1:1","retry":{"min_backoff":"1h"}}`, "scheduled"), "scheduled (")
}

func TestAChangeKeepsKeysAndGates(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	target := `"url":"http://127.0.0.1:1"`

	// A unique key is one of its queue.
	id := submit(t, d, `{`+target+`,"queue":"a","delay":"1h","unique":{"key":"k"}}`)
	other := submit(t, d, `{`+target+`,"queue":"b","delay":"1h","unique":{"key":"k"}}`)
	code, _, got := d.call(t, "PATCH", "/v1/tasks/"+id, `{"queue":"b"}`)
	require.Equal(t, "409 already_exists", fmt.Sprint(code, " ", got["code"]), got)
	require.Contains(t, got["detail"], other)
	d.changed(t, id, `{"queue":"c"}`)
	code, _, got = d.call(t, "POST", "/v1/tasks", `{`+target+`,"queue":"c","unique":{"key":"k"}}`)
	require.Equal(t, []any{200, id}, []any{code, got["id"]})
	submit(t, d, `{`+target+`,"queue":"a","unique":{"key":"k"}}`)

	// A payload that is the duplicate key.
	first := submit(t, d, `{`+target+`,"payload":1,"on_duplicate":"serial"}`)
	later := submit(t, d, `{`+target+`,"payload":2,"delay":"1h","on_duplicate":"serial"}`)
	got = d.changed(t, later, `{"payload":1}`)
	require.Equal(t, "scheduled", got["state"])
	got = d.changed(t, later, `{"delay":0}`)
	require.Equal(t, "blocked duplicate", fmt.Sprint(got["state"], " ", got["reason"]))
	code, _, got = d.call(t, "PATCH", "/v1/tasks/"+first, `{"payload":3}`)
	require.Equal(t, 409, code)
	require.Contains(t, got["detail"], "the task is ready: its payload is its duplicate key")

	// Who is in an order stays there, unless it is made due later.
	orders := []string{}
	for range 3 {
		orders = append(orders, submit(t, d, `{`+target+`,"order_key":"o"}`))
	}
	got = d.changed(t, orders[1], `{"queue":"b","priority":9}`)
	require.Equal(t, "blocked order", fmt.Sprint(got["state"], " ", got["reason"]))
	d.changed(t, orders[0], `{"delay":"1h"}`)
	_, _, got = d.call(t, "GET", "/v1/tasks/"+orders[1], "")
	require.Equal(t, "ready", got["state"], "it was the next in the order")
}

func TestAFunctionThatIsMadeDueLaterExpiresLater(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	id := submit(t, d, `{"function":"f","endpoint":"http://127.0.0.1:1"}`)
	got := d.changed(t, id, `{"run_at":"2098-01-01T00:00:00Z"}`)
	require.Equal(t, "2098-01-02T00:00:00.000000Z", got["expires_at"])
	got = d.changed(t, id, `{"expires_at":"2099-01-01T00:00:00Z"}`)
	require.Equal(t, "2099-01-01T00:00:00.000000Z", got["expires_at"])
}

// TestAChangeStartsWhatIsDue on both databases: a task that is made due now starts as one
// that is run by hand does, in its new queue and with its new payload.
func TestAChangeStartsWhatIsDue(t *testing.T) {
	overBoth(t, func(t *testing.T, db store.Store) {
		got := make(chan string, 1)
		url := app(t, func(_ http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			got <- r.Header.Get("Sendoff-Queue") + " " + string(b)
		})
		e, err := engine.New(db, engine.Config{AllowLoopback: true})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- e.Run(ctx) }()
		defer func() {
			cancel()
			require.NoError(t, <-over)
		}()
		r, err := e.Submit(ctx, engine.Task{URL: url, Delay: time.Hour, Payload: "old"})
		require.NoError(t, err)
		change := func(c engine.TaskChange) error {
			_, err := e.Tasks().Change(ctx, r.ID, c)
			return err
		}
		require.NoError(t, change(engine.TaskChange{Queue: "q", Payload: json.RawMessage(`"new"`), Priority: new(9)}))
		require.NoError(t, change(engine.TaskChange{Default: []string{"run_at"}}))
		select {
		case what := <-got:
			require.Equal(t, `q "new"`, what)
		case <-time.After(10 * time.Second):
			t.Fatal("it was not started")
		}
		require.ErrorIs(t, change(engine.TaskChange{Delay: time.Hour}), store.ErrUnchangeable)
	})
}
