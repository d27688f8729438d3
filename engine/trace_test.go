package engine_test

import (
	"context"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// TestAnEngineTellsTheSpansOfItsTasks to whoever embeds it: a task is in the trace that it is
// submitted in, its callback below it, and one that a person ends has a span as well.
func TestAnEngineTellsTheSpansOfItsTasks(t *testing.T) {
	const trace, above = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	told := make(chan engine.Span, 100)
	b := open(t, engine.Config{Trace: func(s engine.Span) { told <- s }})
	b.HandleFunc("work", func(context.Context, *engine.Call) error { return nil })
	b.run(t)
	next := func(name, label string) engine.Span {
		t.Helper()
		for {
			select {
			case s := <-told:
				if s.Name == name && s.Label == label {
					return s
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("no span %s of %s", name, label)
			}
		}
	}
	_, err := b.Submit(t.Context(), engine.Task{
		Handler: "work", Name: "first", Traceparent: "00-" + trace + "-" + above + "-01", OnSuccess: &engine.Task{Handler: "work", Name: "after"},
	})
	require.NoError(t, err)
	whole := next("task", "first")
	require.Equal(t, []string{trace, above, "succeeded"}, []string{hex.EncodeToString(whole.Trace[:]), hex.EncodeToString(whole.Parent[:]), whole.State})
	require.True(t, whole.Followed)
	after := next("task", "after")
	require.Equal(t, whole.Trace, after.Trace)
	require.Equal(t, whole.ID, after.Parent)

	later, err := b.Submit(t.Context(), engine.Task{Handler: "work", Name: "later", Delay: time.Hour})
	require.NoError(t, err)
	_, err = b.Tasks().Cancel(t.Context(), later.ID)
	require.NoError(t, err)
	canceled := next("task", "later")
	require.Equal(t, "canceled", canceled.State)
	require.Equal(t, [16]byte(canceled.Task), canceled.Trace, "it begins a trace that has its id")
	require.Equal(t, task.SpanID{}, canceled.Parent)
	require.False(t, canceled.Followed)
}
