package sendoff_test

import (
	"context"
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
