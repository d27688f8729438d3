package sendoff_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// A call that has something to undo is told that its time is over while there is
// still time for that.
func TestASagaUndoesBeforeItsCallExpires(t *testing.T) {
	never := sendoff.NewSignal[int]("never")
	for _, m := range []mode{journalWarm, journalCold} {
		for life, want := range map[time.Duration]time.Duration{10 * time.Minute: 9 * time.Minute, 24 * time.Hour: 24*time.Hour - 5*time.Minute} {
			var undone []string
			booking := sendoff.Func("booking", func(ctx context.Context, _ int) (out int, err error) {
				undo := sendoff.NewSaga(ctx)
				defer undo.RollbackOnError(&err)
				for _, what := range []string{"flight", "hotel"} {
					undo.Add("cancel "+what, func(context.Context) error { undone = append(undone, what); return nil })
					if _, err := sendoff.Step(ctx, what, func(context.Context) (int, error) { return 1, nil }); err != nil {
						return 0, err
					}
				}
				return never.Recv(ctx)
			}, sendoff.Expiration(life))
			caller := sendoff.Func("caller", func(ctx context.Context, n int) (int, error) { return booking.Await(ctx, n) })
			s := stage(t, m, 1, caller, booking)
			begun := s.Now()
			require.Contains(t, play(t, s, caller, 1).GetError().GetMessage(), "deadline exceeded")
			require.Equal(t, []string{"hotel", "flight"}, undone, "%s of a life of %s", m, life)
			require.WithinDuration(t, begun.Add(want), s.Now(), time.Second)
		}
	}
}

// Once there is nothing to undo, the whole life of the call is its own.
func TestASagaThatIsDoneTakesNoTime(t *testing.T) {
	booking := sendoff.Func("booking", func(ctx context.Context, _ int) (int, error) {
		book := func() (err error) {
			undo := sendoff.NewSaga(ctx)
			defer undo.RollbackOnError(&err)
			undo.Add("undo", func(context.Context) error { return nil })
			return nil
		}
		if err := book(); err != nil {
			return 0, err
		}
		return 7, sendoff.Sleep(ctx, 599*time.Second)
	}, sendoff.Expiration(10*time.Minute))
	caller := sendoff.Func("caller", func(ctx context.Context, n int) (int, error) { return booking.Await(ctx, n) })
	for _, m := range []mode{journalWarm, journalCold} {
		require.EqualValues(t, 7, number(t, play(t, stage(t, m, 1, caller, booking), caller, 1)))
	}
}
