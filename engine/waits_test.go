package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestATaskSaysWhatItWaitsFor(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	_, _, _ = d.call(t, "POST", "/v1/tasks", `{"id":"other","queue":"mail","url":"http://127.0.0.1:1","delay":"1h"}`)
	_, _, _ = d.call(t, "POST", "/v1/queues/mail/pause", "")
	_, _, _ = d.call(t, "POST", "/v1/tasks", `{"id":"held","queue":"mail","url":"http://127.0.0.1:1"}`)
	_, _, _ = d.call(t, "POST", "/v1/tasks", `{"id":"nobody","handler":"nowhere"}`)
	_, _, _ = d.call(t, "POST", "/v1/tasks", `{"id":"second","handler":"nowhere"}`)

	waiting := func(id string) map[string]any {
		t.Helper()
		status, _, got := d.call(t, "GET", "/v1/tasks/"+id, "")
		require.Equal(t, 200, status)
		w, _ := got["waiting_for"].(map[string]any)
		require.NotNil(t, w, "%s: %v", id, got)
		return w
	}
	w := waiting("other")
	require.Equal(t, "due", w["cause"])
	require.Regexp(t, `^due at 20.*Z: it was submitted with a delay or a time$`, w["text"])
	require.Equal(t, []any{"run-task"}, w["actions"])
	require.NotEmpty(t, w["until"])
	w = waiting("held")
	require.NotEmpty(t, w["since"])
	delete(w, "since")
	require.Equal(t, map[string]any{"cause": "paused", "text": `the queue "mail" is paused`, "actions": []any{"resume-queue"}}, w)
	w = waiting("nobody")
	require.Equal(t, "no_node", w["cause"])
	require.Equal(t, `no node that is alive has the handler "nowhere"`, w["text"])
	require.Len(t, w["nodes"], 1)

	_, _, list := d.call(t, "GET", "/v1/tasks", "")
	for _, item := range list["items"].([]any) {
		require.NotContains(t, item, "waiting_for", "it is shown for a single task")
	}
	info, err := d.Tasks().WaitingFor(t.Context(), "held")
	require.NoError(t, err)
	require.Equal(t, task.WaitPaused, info.Cause)
	_, err = d.Tasks().WaitingFor(t.Context(), "gone")
	require.ErrorIs(t, err, store.ErrNotFound)

	_, _, _ = d.call(t, "POST", "/v1/tasks/held/cancel", "")
	_, _, got := d.call(t, "GET", "/v1/tasks/held", "")
	require.NotContains(t, got, "waiting_for", "it has ended")
	info, err = d.Tasks().WaitingFor(t.Context(), "held")
	require.NoError(t, err)
	require.Nil(t, info)
}

func TestATaskInLineSaysHowManyAreAhead(t *testing.T) {
	started, release := make(chan string, 3), make(chan struct{})
	b := open(t, engine.Config{LocalSlots: 1})
	b.HandleFunc("slow", func(_ context.Context, c *engine.Call) error {
		started <- c.ID
		<-release
		return nil
	})
	b.run(t)
	t.Cleanup(b.stop)
	t.Cleanup(func() { close(release) })
	for b.Ready(t.Context()) != nil {
		time.Sleep(time.Millisecond)
	}
	running := b.submit(t, "slow")
	require.Equal(t, running, <-started)
	next, last := b.submit(t, "slow"), b.submit(t, "slow")
	urgent := b.submit(t, "slow", func(t *engine.Task) { t.Priority = new(0) })
	for id, want := range map[string]int{urgent: 0, next: 1, last: 2} {
		w, err := b.Tasks().WaitingFor(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, task.WaitLine, w.Cause)
		require.Equal(t, want, w.Ahead)
		require.True(t, w.AheadExact)
	}
	w, err := b.Tasks().WaitingFor(t.Context(), running)
	require.NoError(t, err)
	require.Nil(t, w)
}

var (
	consent = sendoff.NewSignal[bool]("consent")
	refusal = sendoff.NewSignal[bool]("refusal")

	asksTwo = sendoff.Func("asks_two", func(ctx context.Context, _ int) (int, error) {
		i, err := sendoff.Select(ctx, consent.Next(ctx), refusal.Next(ctx))
		return i, err
	})
	rests    = sendoff.Func("rests", func(ctx context.Context, _ int) (int, error) { return 0, sendoff.Sleep(ctx, time.Hour) })
	callsTwo = sendoff.Func("calls_two", func(ctx context.Context, _ int) (int, error) {
		_, err := sendoff.All(ctx, rests.Start(ctx, 0), asksTwo.Start(ctx, 0))
		return 0, err
	})
)

func TestAFunctionSaysWhatItWaitsFor(t *testing.T) {
	_, client := functionEngine(t, asksTwo, rests, callsTwo)
	id := submitFunction(t, client, "calls_two", 0)
	var asks, sleeps *sendoff.Task
	top := untilState(t, client, id, sendoff.StateSuspended)
	require.Equal(t, task.WaitCalls, top.WaitingFor.Cause)
	require.Equal(t, "2 of 2 calls that it waits for have not ended", top.WaitingFor.Text)
	require.Len(t, top.WaitingFor.Tasks, 2)
	for _, call := range top.WaitingFor.Tasks {
		got := untilState(t, client, call.ID, sendoff.StateSuspended)
		if got.Function == "rests" {
			sleeps = got
		} else {
			asks = got
		}
	}
	require.Equal(t, task.WaitTimer, sleeps.WaitingFor.Cause)
	require.WithinDuration(t, time.Now().Add(time.Hour), sleeps.WaitingFor.Until, time.Minute)
	require.Equal(t, task.WaitSignal, asks.WaitingFor.Cause)
	require.Equal(t, []string{"consent", "refusal"}, asks.WaitingFor.Signals)
	require.Contains(t, asks.WaitingFor.Text, `a signal "consent" or "refusal", until `)

	require.NoError(t, client.Tasks.Signal(t.Context(), asks.ID, "consent", true))
	untilState(t, client, asks.ID, sendoff.StateSucceeded)
	top = untilState(t, client, id, sendoff.StateSuspended)
	require.Equal(t, "1 of 2 calls that it waits for have not ended", top.WaitingFor.Text)
	require.Equal(t, []sendoff.WaitedFor{{ID: sleeps.ID, State: sendoff.StateSuspended}}, top.WaitingFor.Tasks)
}
