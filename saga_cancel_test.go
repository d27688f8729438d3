package sendoff_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/rehearse"
)

// trip books and keeps a record of it; what undoing does is up to the test.
type trip struct {
	booked, undone []string
	undoing        func(ctx context.Context, what string) error
}

// book adds how to undo it first: a step that fails may have been carried out.
func (b *trip) book(ctx context.Context, undo *sendoff.Saga, what string) error {
	undo.Add("cancel "+what, func(ctx context.Context) error {
		if b.undoing != nil {
			if err := b.undoing(ctx, what); err != nil {
				return err
			}
		}
		b.undone = append(b.undone, what)
		return nil
	})
	_, err := sendoff.Step(ctx, what, func(context.Context) (int, error) { b.booked = append(b.booked, what); return 1, nil })
	return err
}

// of is a function that books and then does what the test wants.
func (b *trip) of(name string, then func(context.Context) error) *sendoff.Function[int, int] {
	return sendoff.Func(name, func(ctx context.Context, _ int) (out int, err error) {
		undo := sendoff.NewSaga(ctx)
		defer undo.RollbackOnError(&err)
		for _, what := range []string{"flight", "hotel"} {
			if err := b.book(ctx, undo, what); err != nil {
				return 0, err
			}
		}
		return 1, then(ctx)
	})
}

func forever(ctx context.Context) error {
	_, err := sendoff.NewSignal[int]("never").Recv(ctx)
	return err
}

// canceledAt plays a call that is canceled some time after its start, and returns
// with what it ended, and how long after the cancel.
func canceledAt(t *testing.T, s *rehearse.Scheduler, f sendoff.AnyFunction, d time.Duration) (string, time.Duration) {
	t.Helper()
	id := start(t, s, f, 1)
	s.After(d, func() { require.NoError(t, s.Cancel(id)) })
	begun := s.Now()
	result, err := s.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "canceled", result.GetError().GetType())
	return result.GetError().GetMessage(), s.Now().Sub(begun.Add(d))
}

func inBothModes(t *testing.T, check func(*testing.T, mode)) {
	for _, m := range []mode{journalWarm, journalCold} {
		t.Run(m.name, func(t *testing.T) { check(t, m) })
	}
}

func TestASagaUndoesWhenItsCallIsCanceled(t *testing.T) {
	for name, waits := range map[string]func(context.Context) error{
		"a signal": forever,
		"a timer":  func(ctx context.Context) error { return sendoff.Sleep(ctx, 10*time.Hour) },
		"a call":   func(ctx context.Context) error { _, err := part.Await(ctx, 24*60); return err },
	} {
		t.Run(name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, m mode) {
				var b trip
				f := b.of("trip", waits)
				text, took := canceledAt(t, stage(t, m, 1, f, part), f, time.Hour)
				require.Equal(t, "the call was canceled", text)
				require.Less(t, took, time.Second)
				require.Equal(t, []string{"hotel", "flight"}, b.undone)
			})
		})
	}
}

func TestACallWithNothingToUndoIsCanceledAtOnce(t *testing.T) {
	for name, f := range map[string]func(context.Context) error{
		"no saga": forever,
		"not yet": func(ctx context.Context) error { sendoff.NewSaga(ctx); return forever(ctx) },
		"no more": func(ctx context.Context) error {
			undo := sendoff.NewSaga(ctx)
			undo.Add("nothing", func(context.Context) error { return nil })
			return errors.Join(sendoff.Sleep(ctx, time.Minute), undo.Rollback(), forever(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, m mode) {
				ended := false
				f := sendoff.Func("plain", func(ctx context.Context, _ int) (int, error) {
					err := f(ctx)
					ended = ended || !errors.Is(ctx.Err(), nil)
					return 0, err
				})
				s := stage(t, m, 1, f)
				_, took := canceledAt(t, s, f, time.Hour)
				require.Zero(t, took)
				require.False(t, ended, "it is not run any more")
			})
		})
	}
}

// A cancel that comes while a step runs lets that step end, and no other one begins.
func TestASagaIsCanceledInTheMiddleOfAStep(t *testing.T) {
	inBothModes(t, func(t *testing.T, m mode) {
		var b trip
		var s *rehearse.Scheduler
		f := b.of("trip", func(ctx context.Context) error {
			_, err := sendoff.Step(ctx, "pay", func(context.Context) (int, error) { return 1, s.Cancel(s.Open()[0]) })
			if err != nil {
				return err
			}
			if err := sendoff.Sleep(ctx, time.Hour); err != nil {
				return err
			}
			_, err = sendoff.Step(ctx, "never", func(context.Context) (int, error) { b.booked = append(b.booked, "never"); return 1, nil })
			return err
		})
		s = stage(t, m, 1, f)
		result := play(t, s, f, 1)
		require.Equal(t, "the call was canceled", result.GetError().GetMessage())
		require.Equal(t, []string{"flight", "hotel"}, b.booked)
		require.Equal(t, []string{"hotel", "flight"}, b.undone)
	})
}

// A step that was asked for, and has not begun when the cancel comes, does not begin.
func TestACanceledFunctionBeginsNoStep(t *testing.T) {
	inBothModes(t, func(t *testing.T, m mode) {
		var b trip
		f := b.of("trip", forever)
		canceledAt(t, stage(t, m, 1, f), f, 0)
		require.Empty(t, b.booked)
		require.Equal(t, []string{"flight"}, b.undone, "it may have been booked by an attempt that was lost")
	})
}

func TestUndoingGoesOnAfterACrash(t *testing.T) {
	inBothModes(t, func(t *testing.T, m mode) {
		crashes := 3
		b := trip{}
		b.undoing = func(_ context.Context, what string) error {
			if what == "flight" && crashes > 0 {
				crashes--
				panic("the process breaks down")
			}
			return nil
		}
		f := b.of("trip", forever)
		text, _ := canceledAt(t, stage(t, m, 1, f), f, time.Hour)
		require.Contains(t, text, "the call was canceled")
		require.Equal(t, []string{"hotel", "flight"}, b.undone, "each is undone once")
	})
}

func TestWhatCannotBeUndoneIsSaid(t *testing.T) {
	inBothModes(t, func(t *testing.T, m mode) {
		b := trip{undoing: func(_ context.Context, what string) error {
			if what == "hotel" {
				return sendoff.Permanent(errors.New("the hotel does not answer"))
			}
			return nil
		}}
		f := b.of("trip", forever)
		text, _ := canceledAt(t, stage(t, m, 1, f), f, time.Hour)
		require.Contains(t, text, "the call was canceled; ")
		require.Contains(t, text, "the hotel does not answer")
		require.Equal(t, []string{"flight"}, b.undone)
	})
}

func TestUndoingHasFiveMinutes(t *testing.T) {
	inBothModes(t, func(t *testing.T, m mode) {
		var b trip
		f := b.of("trip", func(ctx context.Context) error {
			return errors.Join(forever(ctx), sendoff.Sleep(context.WithoutCancel(ctx), time.Hour))
		})
		text, took := canceledAt(t, stage(t, m, 1, f), f, time.Hour)
		require.Equal(t, "the call was canceled", text)
		require.Equal(t, 5*time.Minute, took)
		require.Empty(t, b.undone)
	})
}

// Cancel may be repeated, as when its answer was lost. Who wants an end says so.
func TestUndoingCanBeEnded(t *testing.T) {
	inBothModes(t, func(t *testing.T, m mode) {
		var b trip
		f := b.of("trip", func(ctx context.Context) error {
			return errors.Join(forever(ctx), sendoff.Sleep(context.WithoutCancel(ctx), time.Hour))
		})
		s := stage(t, m, 1, f)
		s.After(61*time.Minute, func() { require.NoError(t, s.Cancel(s.Open()[0])) })
		s.After(62*time.Minute, func() { require.NoError(t, s.CancelNow(s.Open()[0])) })
		_, took := canceledAt(t, s, f, time.Hour)
		require.Equal(t, 2*time.Minute, took)
		require.Empty(t, b.undone)
	})
}

// What a call does with the end of its context is its own matter: canceled it is.
func TestACanceledSagaEndsCanceledWhateverItReturns(t *testing.T) {
	for name, then := range map[string]func(context.Context) error{
		"a result":           func(ctx context.Context) error { _ = forever(ctx); return nil },
		"a temporary error":  func(ctx context.Context) error { _ = forever(ctx); return context.Canceled },
		"an error of a call": func(ctx context.Context) error { _, err := part.Await(ctx, 24*60); return err },
	} {
		t.Run(name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, m mode) {
				var b trip
				f := b.of("trip", then)
				_, took := canceledAt(t, stage(t, m, 1, f, part), f, time.Hour)
				require.Less(t, took, time.Second)
			})
		})
	}
}

// The sagas of a tree undo what they did when the function above is canceled.
func TestTheSagasOfATreeUndo(t *testing.T) {
	inBothModes(t, func(t *testing.T, m mode) {
		var first, second trip
		one, two := first.of("one", forever), second.of("two", forever)
		both := sendoff.Func("both", func(ctx context.Context, _ int) (int, error) {
			a, b := one.Start(ctx, 1), two.Start(ctx, 1)
			_, err := sendoff.All(ctx, a, b)
			return 0, err
		})
		s := stage(t, m, 1, both, one, two)
		_, took := canceledAt(t, s, both, time.Hour)
		require.Zero(t, took)
		for _, id := range s.Open() {
			_, err := s.Wait(t.Context(), id)
			require.NoError(t, err)
		}
		for _, b := range []trip{first, second} {
			require.Equal(t, []string{"hotel", "flight"}, b.undone)
		}
	})
}
