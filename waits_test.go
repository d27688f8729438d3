package sendoff_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/sendofftest"
)

// TestASignalIsNotGivenToAFutureThatHasEnded: a signal's future that was given
// up, or that is waited for twice, leaves nothing in the line for signals.
func TestASignalIsNotGivenToAFutureThatHasEnded(t *testing.T) {
	word := sendoff.NewSignal[int]("word")
	for name, fn := range map[string]func(context.Context) (int, error){
		"given up by another branch": func(ctx context.Context) (int, error) {
			next := word.Next(ctx)
			sendoff.Go(ctx, func(ctx context.Context) (int, error) { return next.Await(ctx) })
			if err := sendoff.Sleep(ctx, time.Second); err != nil {
				return 0, err
			}
			next.Cancel()
			first, err := word.Recv(ctx)
			if err != nil {
				return 0, err
			}
			second, err := word.Recv(ctx)
			return 10*first + second, err
		},
		"awaited by two branches": func(ctx context.Context) (int, error) {
			next := word.Next(ctx)
			also := sendoff.Go(ctx, func(ctx context.Context) (int, error) { return next.Await(ctx) })
			first, err := next.Await(ctx)
			if err != nil {
				return 0, err
			}
			if again, err := also.Await(ctx); err != nil || again != first {
				return 0, fmt.Errorf("the other branch got %d: %w", again, err)
			}
			second, err := word.Recv(ctx)
			return 10*first + second, err
		},
		"twice in one select": func(ctx context.Context) (int, error) {
			next := word.Next(ctx)
			if _, err := sendoff.Select(ctx, next, next); err != nil {
				return 0, err
			}
			first, err := next.Await(ctx)
			if err != nil {
				return 0, err
			}
			second, err := word.Recv(ctx)
			return 10*first + second, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := sendoff.Func("listen", func(ctx context.Context, _ int) (int, error) { return fn(ctx) })
			setup := func(e *sendofftest.Env, id string) {
				for i := 1; i <= 2; i++ {
					e.At(time.Duration(i)*time.Minute, func() { _ = word.Send(context.Background(), id, i, sendoff.Via(e.Client())) })
				}
			}
			e := sendofftest.New(t, f)
			p := sendofftest.Start(e, f, 0)
			setup(e, p.ID)
			out, err := p.Wait()
			require.NoError(t, err)
			require.Equal(t, 12, out)
			sendofftest.CrashEverywhere(t, f, 0, setup)
		})
	}
}

// TestCallsThatWereGivenUpLastAreCanceled: also when nothing else is open when
// the function ends.
func TestCallsThatWereGivenUpLastAreCanceled(t *testing.T) {
	effect := sendoff.Func("effect", func(context.Context, int) (int, error) { return 1, nil })
	quick := sendoff.Func("quick", func(context.Context, int) (int, error) { return 2, nil })
	slow := sendoff.Func("slow", func(ctx context.Context, _ int) (int, error) {
		if err := sendoff.Sleep(ctx, time.Hour); err != nil {
			return 0, err
		}
		return effect.Await(ctx, 1)
	})
	last := sendoff.Func("last", func(context.Context, int) (int, error) { return 2, nil })
	for name, end := range map[string]func(context.Context) (int, error){
		"race": func(ctx context.Context) (int, error) {
			_, v, err := sendoff.Race(ctx, quick.Start(ctx, 1), slow.Start(ctx, 1))
			return v, err
		},
		"any": func(ctx context.Context) (int, error) {
			return sendoff.Any(ctx, quick.Start(ctx, 1), slow.Start(ctx, 1))
		},
		"cancel": func(ctx context.Context) (int, error) {
			call := slow.Start(ctx, 1)
			v, err := quick.Await(ctx, 1)
			call.Cancel()
			return v, err
		},
		"failure": func(ctx context.Context) (int, error) {
			_, _, err := sendoff.Race(ctx, quick.Start(ctx, 1), slow.Start(ctx, 1))
			return 0, errors.Join(err, sendoff.Permanent(errors.New("no")))
		},
		"tail call": func(ctx context.Context) (int, error) {
			_, v, err := sendoff.Race(ctx, quick.Start(ctx, 1), slow.Start(ctx, 1))
			if err != nil {
				return 0, err
			}
			return 0, last.TailCall(v)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := sendoff.Func("ends", func(ctx context.Context, _ int) (int, error) { return end(ctx) })
			e := sendofftest.New(t, f, quick, slow, effect, last)
			out, err := sendofftest.Run(e, f, 0)
			require.True(t, out == 2 || name == "failure", "%d, %v", out, err)
			_, err = sendofftest.Run(e, slow, 0) // time passes
			require.NoError(t, err)
			require.Equal(t, 1, e.Calls(effect), "what was given up ran on")
		})
	}
}

// TestAPlainCancelEndsWhatIsBelowIt: contexts of context.WithCancel end the
// branches and deadlines that were made from them.
func TestAPlainCancelEndsWhatIsBelowIt(t *testing.T) {
	never := sendoff.NewSignal[int]("never")
	for name, fn := range map[string]func(context.Context, context.Context, context.CancelFunc) error{
		"a branch": func(ctx, below context.Context, cancel context.CancelFunc) error {
			b := sendoff.Go(below, func(ctx context.Context) (int, error) { return never.Recv(ctx) })
			if err := sendoff.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			cancel()
			_, err := b.Await(ctx)
			return err
		},
		"a branch of a branch": func(ctx, below context.Context, cancel context.CancelFunc) error {
			b := sendoff.Go(below, func(ctx context.Context) (int, error) {
				return sendoff.Go(ctx, func(ctx context.Context) (int, error) { return never.Recv(ctx) }).Await(context.WithoutCancel(ctx))
			})
			if err := sendoff.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			cancel()
			_, err := b.Await(ctx)
			return err
		},
		"a deadline": func(ctx, below context.Context, cancel context.CancelFunc) error {
			short, stop := sendoff.WithTimeout(below, time.Hour)
			defer stop()
			sendoff.Go(ctx, func(ctx context.Context) (int, error) {
				defer cancel()
				return 0, sendoff.Sleep(ctx, time.Minute)
			})
			return sendoff.Sleep(short, 100*time.Hour)
		},
		"a branch with values": func(ctx, below context.Context, cancel context.CancelFunc) error {
			type key struct{}
			b := sendoff.Go(context.WithValue(below, key{}, 1), func(ctx context.Context) (int, error) {
				return never.Recv(context.WithValue(ctx, key{}, 2))
			})
			if err := sendoff.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			cancel()
			_, err := b.Await(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := sendoff.Func("plain", func(ctx context.Context, _ int) (string, error) {
				begun := sendoff.Now(ctx)
				below, cancel := context.WithCancel(ctx)
				defer cancel()
				err := fn(ctx, below, cancel)
				return fmt.Sprint(err, " after ", sendoff.Now(ctx).Sub(begun)), nil
			})
			out, err := sendofftest.Run(sendofftest.New(t, f), f, 0)
			require.NoError(t, err)
			require.Equal(t, "context canceled after 1m0s", out)
			sendofftest.CrashEverywhere(t, f, 0, nil)
		})
	}
}

// TestADeadlineOnRecordIsFinal: the function would only meet it again.
func TestADeadlineOnRecordIsFinal(t *testing.T) {
	never := sendoff.NewSignal[int]("never")
	short := func(ctx context.Context, wait func(context.Context) error) error {
		ctx, cancel := sendoff.WithTimeout(ctx, time.Minute)
		defer cancel()
		return wait(ctx)
	}
	for name, tt := range map[string]struct {
		kind string
		is   error
		fn   func(context.Context) error
	}{
		"deadline": {"TIMEOUT", context.DeadlineExceeded, func(ctx context.Context) error {
			return short(ctx, func(ctx context.Context) error { return sendoff.Sleep(ctx, time.Hour) })
		}},
		"wrapped": {"TIMEOUT", context.DeadlineExceeded, func(ctx context.Context) error {
			return fmt.Errorf("no answer: %w", short(ctx, func(ctx context.Context) error {
				_, err := never.Recv(ctx)
				return err
			}))
		}},
		"joined": {"", context.DeadlineExceeded, func(ctx context.Context) error {
			return errors.Join(errors.New("no answer"), short(ctx, func(ctx context.Context) error {
				return sendoff.Settled(ctx, never.Next(ctx))[0].Err
			}))
		}},
		"cancel": {"canceled", context.Canceled, func(ctx context.Context) error {
			next := never.Next(ctx)
			next.Cancel()
			_, err := next.Await(ctx)
			return err
		}},
		"plain cancel": {"canceled", context.Canceled, func(ctx context.Context) error {
			below, cancel := context.WithCancel(ctx)
			cancel()
			return sendoff.Sleep(below, time.Hour)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			runs := 0
			f := sendoff.Func("ends", func(ctx context.Context, _ int) (int, error) {
				runs++
				err := tt.fn(ctx)
				require.ErrorIs(t, err, tt.is)
				return 0, err
			})
			_, err := sendofftest.Run(sendofftest.New(t, f), f, 0)
			call, ok := errors.AsType[*sendoff.CallError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, 1, runs, "tried again, only to meet the same")
			if tt.kind != "" {
				require.Equal(t, tt.kind, call.Type)
			}
		})
	}
}
