package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// heard is what a callback was called with.
type heard struct {
	Name string
	Task struct {
		ID, State, Reason string
		LastError         string `json:"last_error"`
		Run               int
	}
}

// listener registers handlers that work, fail, wait, and are called back.
func listener(calls chan heard) func(e *engine.Engine) {
	return func(e *engine.Engine) {
		e.HandleFunc("work", func(context.Context, *engine.Call) error { return nil })
		e.HandleFunc("fail", func(context.Context, *engine.Call) error { return sendoff.Permanent(errors.New("no")) })
		e.HandleFunc("called", func(_ context.Context, c *engine.Call) error {
			h := heard{Name: c.Name}
			if err := json.Unmarshal(c.Payload, &h); err != nil {
				return err
			}
			calls <- h
			return nil
		})
	}
}

func all(t engine.Task) engine.Task {
	t.OnSuccess = &engine.Task{Handler: "called", Name: "success"}
	t.OnFailure = &engine.Task{Handler: "called", Name: "failure"}
	t.OnComplete = &engine.Task{Handler: "called", Name: "complete"}
	return t
}

// TestCallbacksTellHowATaskHasEnded: once for each run, whatever ends it.
func TestCallbacksTellHowATaskHasEnded(t *testing.T) {
	judge := func(t *testing.T, e *engine.Engine, calls chan heard) {
		ctx := t.Context()
		two := func(name, id, state string, run int) {
			t.Helper()
			got := map[string]heard{}
			for range 2 {
				select {
				case h := <-calls:
					got[h.Name] = h
				case <-time.After(20 * time.Second):
					t.Fatalf("heard of %s only %v", id, got)
				}
			}
			require.Len(t, got, 2)
			for _, on := range []string{name, "complete"} {
				require.Equal(t, id, got[on].Task.ID, on)
				require.Equal(t, state, got[on].Task.State, on)
				require.Equal(t, run, got[on].Task.Run, on)
			}
		}
		submit := func(s engine.Task) {
			t.Helper()
			r, err := e.Submit(ctx, all(s))
			require.NoError(t, err)
			require.NoError(t, r.Err)
		}
		submit(engine.Task{Handler: "work", ID: "works"})
		two("success", "works", "succeeded", 1)
		submit(engine.Task{Handler: "fail", ID: "fails"})
		two("failure", "fails", "failed", 1)
		_, err := e.Tasks().Retry(ctx, "fails")
		require.NoError(t, err)
		two("failure", "fails", "failed", 2)
		submit(engine.Task{Handler: "work", ID: "waits", Delay: time.Hour})
		_, err = e.Tasks().Cancel(ctx, "waits")
		require.NoError(t, err)
		two("failure", "waits", "canceled", 1)
		submit(engine.Task{Handler: "work", ID: "never", DependsOn: []string{"fails"}})
		two("failure", "never", "canceled", 1)

		page, err := e.Tasks().List(ctx, engine.Filter{Name: "complete"})
		require.NoError(t, err)
		require.Len(t, page.Items, 5, "no callback was made twice")
		require.Equal(t, "never", page.Items[0].CallbackOf)
	}
	t.Run("SQLite", func(t *testing.T) {
		calls := make(chan heard, 100)
		b := open(t, engine.Config{})
		listener(calls)(b.Engine)
		b.run(t)
		t.Cleanup(b.stop)
		judge(t, b.Engine, calls)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		calls := make(chan heard, 100)
		judge(t, nodes(t, 2, func(_ int, e *engine.Engine) { listener(calls)(e) })[0], calls)
	})
}

// TestCallbacksAreMadeAfterAStop: a task that has ended calls back although nobody was
// there to do it.
func TestCallbacksAreMadeAfterAStop(t *testing.T) {
	calls := make(chan heard, 10)
	b := open(t, engine.Config{Roles: []engine.Role{engine.Accept, engine.Execute}})
	listener(calls)(b.Engine)
	b.run(t)
	b.submit(t, "work", func(s *engine.Task) { *s = all(*s); s.ID = "works" })
	require.Eventually(t, func() bool {
		v, err := b.Tasks().Get(t.Context(), "works")
		return err == nil && v.State == task.Succeeded
	}, 10*time.Second, 10*time.Millisecond)
	require.Empty(t, calls)
	e, err := engine.New(b.db, engine.Config{Roles: []engine.Role{engine.Execute, engine.Schedule}}) // it accepts nothing from outside
	require.NoError(t, err)
	listener(calls)(e)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	require.Eventually(t, func() bool { return len(calls) == 2 }, 20*time.Second, 10*time.Millisecond)
	require.ElementsMatch(t, []string{"success", "complete"}, []string{(<-calls).Name, (<-calls).Name})
	cancel()
	require.NoError(t, <-over)
	b.stop()
}

// TestFaultsOfCallbacksNameTheirField: and nothing is stored.
func TestFaultsOfCallbacksNameTheirField(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	for body, want := range map[string]string{
		`"on_success":{}`:                                                                        "on_success.url",
		`"on_failure":{"url":"ftp://x"}`:                                                         "on_failure.url",
		`"on_complete":{"handler":"h","id":"x"}`:                                                 "on_complete.id",
		`"on_success":{"handler":"h","unique":{"key":"k"}}`:                                      "on_success.unique",
		`"on_success":{"handler":"h","depends_on":["x"]}`:                                        "on_success.depends_on",
		`"on_success":{"handler":"h","on_failure":{"handler":"h"}}`:                              "on_success.on_failure",
		`"on_success":{"handler":"h","payload":"` + strings.Repeat("x", task.MaxCallback) + `"}`: "on_success.payload",
		`"on_success":{"handler":"h","payloads":1}`:                                              "on_success.payloads",
		`"on_success":{"handler":"h","delay":"soon"}`:                                            "on_success.delay",
		`"on_success":{"handler":"h","run_at":"2030-01-01T00:00:00Z"}`:                           "on_success.run_at",
		`"on_success":{"handler":"h","signal":{"name":"n"}}`:                                     "on_success.signal",
		`"on_success":{"handler":"h","expires_at":"2030-01-01T00:00:00Z","priority":"a"}`:        "on_success.priority",
	} {
		status, _, answer := d.call(t, http.MethodPost, "/v1/tasks", `{"handler":"h",`+body+`}`)
		require.Equal(t, http.StatusUnprocessableEntity, status, body)
		require.Equal(t, want, answer["errors"].([]any)[0].(map[string]any)["field"], body)
	}
	page, err := d.Tasks().List(t.Context(), engine.Filter{})
	require.NoError(t, err)
	require.Empty(t, page.Items, "nothing was stored")
}
