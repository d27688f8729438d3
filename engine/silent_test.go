package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// TestADependencyThatSucceededWithoutAnAnswerShowsItsSuccess: what is on record of it is at
// most the failures before.
func TestADependencyThatSucceededWithoutAnAnswerShowsItsSuccess(t *testing.T) {
	var done chan string
	register := func(e *engine.Engine) {
		done = make(chan string, 1)
		e.HandleFunc("silent", func(_ context.Context, c *engine.Call) error {
			if c.ID == "second-try" && c.Attempt == 1 {
				return errors.New("not yet")
			}
			return nil
		})
		e.HandleFunc("last", func(_ context.Context, c *engine.Call) error { done <- c.ID; return nil })
	}
	judge := func(t *testing.T, e *engine.Engine) {
		retry := task.RetryPolicy{MaxAttempts: 2, MinBackoff: time.Millisecond}
		_, err := e.SubmitMany(t.Context(), []engine.Task{
			{Handler: "silent", ID: "at-once"}, {Handler: "silent", ID: "second-try", Retry: retry}, {Handler: "last", ID: "last", DependsOn: []string{"at-once", "second-try"}},
		}, true)
		require.NoError(t, err)
		<-done
		page, err := e.Tasks().Dependencies(t.Context(), "last", "", 0)
		require.NoError(t, err)
		require.Len(t, page.Items, 2)
		for i, number := range []int{1, 2} {
			a := page.Items[i].Attempt
			require.NotNil(t, a, page.Items[i].ID)
			require.Equal(t, task.Success, a.Outcome, page.Items[i].ID)
			require.EqualValues(t, number, a.Number, page.Items[i].ID)
			require.False(t, a.FinishedAt.IsZero())
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		b := open(t, engine.Config{})
		register(b.Engine)
		b.run(t)
		t.Cleanup(b.stop)
		judge(t, b.Engine)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		judge(t, nodes(t, 1, func(_ int, e *engine.Engine) { register(e) })[0])
	})
}
