package engine_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// TestTheFaceShowsNoTypeFromInside walks the types that one comes to from an engine:
// whoever embeds it cannot name those of internal packages, nor read of them.
func TestTheFaceShowsNoTypeFromInside(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(from string, typ reflect.Type)
	walk = func(from string, typ reflect.Type) {
		const ours = "github.com/sendoff-dev/sendoff/"
		if seen[typ] || typ.PkgPath() != "" && !strings.HasPrefix(typ.PkgPath(), ours) || strings.HasPrefix(typ.PkgPath(), ours+"gen/") {
			return
		}
		seen[typ] = true
		if strings.Contains(typ.PkgPath(), "/internal/") {
			t.Errorf("%s leads to %s", from, typ)
			return
		}
		for i := range typ.NumMethod() {
			walk(typ.String()+"."+typ.Method(i).Name, typ.Method(i).Type)
		}
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan:
			walk(from, typ.Elem())
		case reflect.Map:
			walk(from, typ.Key())
			walk(from, typ.Elem())
		case reflect.Func:
			for i := range typ.NumIn() {
				walk(from, typ.In(i))
			}
			for i := range typ.NumOut() {
				walk(from, typ.Out(i))
			}
		case reflect.Struct:
			for _, f := range reflect.VisibleFields(typ) {
				if f.IsExported() {
					walk(typ.String()+"."+f.Name, f.Type)
				}
			}
		default:
		}
	}
	for _, v := range []any{(*engine.Engine)(nil), engine.Config{}, engine.HandlerConfig{}, (*engine.Call)(nil), engine.NewMetrics} {
		walk("the engine", reflect.TypeOf(v))
	}
	require.True(t, seen[reflect.TypeFor[engine.TaskInfo]()], "the walk came by")
	require.True(t, seen[reflect.TypeFor[engine.StepPage]()], "the walk came by")
}

func TestATaskIsShownAsItWasSubmitted(t *testing.T) {
	b := open(t, engine.Config{})
	t.Cleanup(func() { _ = b.db.Close() })
	ctx, now := t.Context(), time.Now()
	r, err := b.Submit(ctx, engine.Task{
		URL: "https://example.com/hook", ID: "order-1", Queue: "mail", Name: "hello", Method: "PUT", Headers: map[string]string{"X-B": "2", "X-A": "1"},
		Payload: map[string]int{"n": 1}, RunAt: now.Add(time.Hour), ExpiresAt: now.Add(2 * time.Hour), Priority: new(2), Group: "acme",
		Timeout: 5 * time.Second, Retry: task.RetryPolicy{MaxAttempts: 3, Jitter: -1}, Unique: &engine.Unique{Key: "u", WhileOpen: true}, Labels: map[string]string{"a": "b"},
	})
	require.NoError(t, err)
	require.Equal(t, engine.Created, r.Status)
	require.Equal(t, "order-1", r.ID)
	got, err := b.Tasks().Get(ctx, r.ID)
	require.NoError(t, err)
	require.NotZero(t, got.UUID)
	require.WithinDuration(t, now.Add(time.Hour), got.NextAt, time.Microsecond)
	require.WithinDuration(t, now.Add(2*time.Hour), got.ExpiresAt, time.Microsecond)
	require.WithinDuration(t, r.CreatedAt, got.CreatedAt, 0)
	got.UUID, got.NextAt, got.ExpiresAt, got.CreatedAt = task.ID{}, time.Time{}, time.Time{}, time.Time{}
	require.Equal(t, engine.TaskInfo{
		ID: "order-1", State: task.Scheduled, Reason: task.Delayed, Kind: task.HTTP, Queue: "mail", Name: "hello", URL: "https://example.com/hook", Method: "PUT",
		Priority: 2, Group: "acme", Labels: map[string]string{"a": "b"}, ContentType: "application/json", UniqueKey: "u", Timeout: 5 * time.Second,
		Retry: (task.RetryPolicy{MaxAttempts: 3, Jitter: -1}).WithDefaults(), Run: 1, MaxAttempts: 3,
	}, got)
	payload, err := b.Tasks().Payload(ctx, "order-1")
	require.NoError(t, err)
	require.JSONEq(t, `{"n":1}`, string(payload))
}

func TestKeysSayWhatBecomesOfATask(t *testing.T) {
	b := open(t, engine.Config{})
	t.Cleanup(func() { _ = b.db.Close() })
	submit := func(task engine.Task) engine.Result {
		task.Handler = "h"
		r, err := b.Submit(t.Context(), task)
		require.NoError(t, err)
		return r
	}
	first := submit(engine.Task{IdempotencyKey: "k", Payload: 1})
	require.Equal(t, engine.Created, first.Status)
	again := submit(engine.Task{IdempotencyKey: "k", Payload: 1})
	require.Equal(t, engine.Existing, again.Status)
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, engine.Mismatch, submit(engine.Task{IdempotencyKey: "k", Payload: 2}).Status)

	mine := submit(engine.Task{ID: "mine", Unique: &engine.Unique{Key: "u"}})
	require.Equal(t, engine.Result{Status: engine.Conflict, ID: "mine", CreatedAt: mine.CreatedAt}, submit(engine.Task{ID: "mine"}))
	holder := submit(engine.Task{Unique: &engine.Unique{Key: "u"}})
	require.Equal(t, engine.Existing, holder.Status)
	require.Equal(t, engine.Conflict, submit(engine.Task{Unique: &engine.Unique{Key: "u", OnConflict: engine.Reject}}).Status)
	require.Equal(t, engine.Created, submit(engine.Task{Unique: &engine.Unique{Key: "u", OnConflict: engine.Replace}}).Status)
	got, err := b.Tasks().Get(t.Context(), holder.ID)
	require.NoError(t, err)
	require.Equal(t, task.Canceled, got.State, "it has been replaced")
}

func TestAFaultyTaskIsRefusedWithItsFields(t *testing.T) {
	b := open(t, engine.Config{})
	t.Cleanup(func() { _ = b.db.Close() })
	for name, tt := range map[string]struct {
		task engine.Task
		want string
	}{
		"bytes as a payload":          {engine.Task{Handler: "h", Payload: []byte("{}")}, "give it as Body"},
		"a payload twice":             {engine.Task{Handler: "h", Payload: 1, Body: []byte("1")}, "either a Payload or a Body"},
		"a payload that is no JSON":   {engine.Task{Handler: "h", Payload: make(chan int)}, "cannot be encoded as JSON"},
		"a rule for keys not known":   {engine.Task{Handler: "h", Unique: &engine.Unique{Key: "u", OnConflict: 7}}, "want Return, Reject or Replace"},
		"no target":                   {engine.Task{}, "exactly one target is needed"},
		"a signal that is no JSON":    {engine.Task{Function: "f", Signal: &engine.Signal{Name: "s", Value: make(chan int)}}, "signal.value: cannot be encoded"},
		"a signal without a receiver": {engine.Task{Handler: "h", Signal: &engine.Signal{Name: "s"}}, "belongs to tasks with a function"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Submit(t.Context(), tt.task)
			require.ErrorContains(t, err, tt.want)
			require.ErrorAs(t, err, new(task.Invalid))
			_, err = b.SubmitMany(t.Context(), []engine.Task{{Handler: "h"}, tt.task}, true)
			require.ErrorContains(t, err, "tasks[1].", "it says which one")
			results, err := b.SubmitMany(t.Context(), []engine.Task{{Handler: "h"}, tt.task, {Handler: "h"}}, false)
			require.NoError(t, err)
			require.Equal(t, []engine.Status{engine.Created, engine.Invalid, engine.Created}, []engine.Status{results[0].Status, results[1].Status, results[2].Status})
			require.ErrorContains(t, results[1].Err, tt.want)
		})
	}
	_, err := b.SubmitMany(context.Background(), make([]engine.Task, task.MaxBatch+1), false)
	require.ErrorContains(t, err, "at most 1000 are allowed")
}

func TestAFunctionIsSeenAndSteeredFromTheEngine(t *testing.T) {
	noted := sendoff.Func("noted", func(ctx context.Context, n int) (string, error) {
		if _, err := sendoff.Step(ctx, "double", func(context.Context) (int, error) { return 2 * n, nil }); err != nil {
			return "", err
		}
		text, err := approve.Recv(ctx)
		if err == nil && text == "no" {
			err = sendoff.Permanent(errors.New("turned down"))
		}
		return text, err
	})
	e, _ := functionEngine(t, noted)
	ctx := t.Context()
	for answer, want := range map[string]task.State{"yes": task.Succeeded, "no": task.Failed} {
		r, err := e.Submit(ctx, engine.Task{Function: "noted", Endpoint: "embedded://app", Payload: 21})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			got, err := e.Tasks().Get(ctx, r.ID)
			return err == nil && got.State == task.Suspended
		}, 20*time.Second, 5*time.Millisecond)
		result, failure, err := e.Functions().Result(ctx, r.ID)
		require.NoError(t, err)
		require.Nil(t, result, "it goes on")
		require.Nil(t, failure)
		page, err := e.Functions().Steps(ctx, r.ID, engine.StepQuery{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1, page.Note)
		require.Equal(t, map[engine.StepState]int{engine.StepSucceeded: 1}, page.Counts)
		require.Equal(t, "double", page.Items[0].Name)
		require.JSONEq(t, "42", string(page.Items[0].Result))
		require.WithinRange(t, page.Items[0].FinishedAt, page.Items[0].StartedAt, time.Now())

		require.ErrorContains(t, e.Functions().Signal(ctx, r.ID, "approve", make(chan int)), "cannot be encoded")
		require.NoError(t, e.Functions().Signal(ctx, r.ID, "approve", answer))
		got, err := e.Tasks().Wait(ctx, r.ID, 20*time.Second)
		require.NoError(t, err)
		require.Equal(t, want, got.State, got.LastError)
		require.Zero(t, got.MaxAttempts, "as many as it takes")
		result, failure, err = e.Functions().Result(ctx, r.ID)
		require.NoError(t, err)
		if want == task.Succeeded {
			require.JSONEq(t, `"yes"`, string(result))
			require.Nil(t, failure)
		} else {
			require.Contains(t, failure.Message, "turned down")
		}
		tree, err := e.Functions().Tree(ctx, r.ID)
		require.NoError(t, err)
		require.Len(t, tree.Tasks, 1)
		attempts, err := e.Tasks().Attempts(ctx, r.ID, "", 0)
		require.NoError(t, err)
		require.NotEmpty(t, attempts.Items)
	}
	endpoints, err := e.Endpoints().List(ctx)
	require.NoError(t, err)
	require.Len(t, endpoints, 1)
	require.Equal(t, "embedded://app", endpoints[0].Endpoint)
	require.Positive(t, endpoints[0].Succeeded)
	_, err = e.Functions().Restart(ctx, "nobody")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestQueuesAndNodesAreSeenAndSteeredFromTheEngine(t *testing.T) {
	b := open(t, engine.Config{Name: "here", Retention: engine.Retention{Succeeded: time.Hour}})
	b.HandleFunc("h", func(context.Context, *engine.Call) error { return nil })
	b.run(t)
	defer b.stop()
	ctx := t.Context()
	_, err := b.Submit(ctx, engine.Task{Handler: "h", Queue: "q", Delay: time.Hour})
	require.NoError(t, err)
	paused, err := b.Queues().Pause(ctx, "q")
	require.NoError(t, err)
	require.True(t, paused.Paused)
	list, err := b.Queues().List(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, paused, list[0])
	resumed, err := b.Queues().Resume(ctx, "q")
	require.NoError(t, err)
	require.False(t, resumed.Paused)
	stats, err := b.Queues().Stats(ctx, "q")
	require.NoError(t, err)
	require.Equal(t, engine.QueueStats{Queue: "q", Scheduled: 1}, stats)
	n, err := b.Queues().Purge(ctx, "q")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, b.Queues().Delete(ctx, "q"))
	_, err = b.Queues().Get(ctx, "q")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, b.Queues().Delete(ctx, task.DefaultQueue), engine.ErrKeepsName)

	require.Eventually(t, func() bool { return b.Ready(ctx) == nil }, 10*time.Second, time.Millisecond, "it has joined")
	nodes, err := b.Nodes(ctx)
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.Equal(t, "here", nodes[0].Name)
	require.Equal(t, engine.AllRoles, nodes[0].Roles)
	require.Contains(t, nodes[0].Pools, "local:h")
}
