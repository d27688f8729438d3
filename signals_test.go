package sendoff_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/rehearse"
)

// gathered is the state of functions that take numbers, one in each life.
type gathered struct {
	Left int
	Got  []int
}

var (
	numbers    = sendoff.NewSignal[int]("number")
	others     = sendoff.NewSignal[int]("other")
	gatherNext = sendoff.Remote[gathered, string]("gather_next", "")
	gatherLoop = sendoff.Func("gather_loop", func(ctx context.Context, n int) (string, error) {
		s, err := sendoff.Loop(ctx, gathered{Left: n}, func(ctx context.Context, s *gathered) (bool, error) {
			v, err := numbers.Recv(ctx)
			s.Got, s.Left = append(s.Got, v), s.Left-1
			for range 2000 { // enough for a new journal each time
				sendoff.After(ctx, time.Hour)
			}
			return s.Left == 0, err
		})
		if err != nil {
			return "", err
		}
		other, err := others.Recv(ctx)
		return fmt.Sprint(s.Got, other), err
	})
	gatherTail = sendoff.Func("gather_next", func(ctx context.Context, s gathered) (string, error) {
		if s.Left == 0 {
			other, err := others.Recv(ctx)
			return fmt.Sprint(s.Got, other), err
		}
		v, err := numbers.Recv(ctx)
		if err != nil {
			return "", err
		}
		return "", gatherNext.TailCall(gathered{s.Left - 1, append(s.Got, v)})
	})
	gatherNoted = sendoff.Remote[gathered, string]("gather_noted", "")
	noted       = sendoff.Func("noted", func(_ context.Context, v int) (int, error) { return v, nil })
	// gatherCalls has a call to send when it returns, and so suspends once more.
	gatherCalls = sendoff.Func("gather_noted", func(ctx context.Context, s gathered) (string, error) {
		if s.Left == 0 {
			other, err := others.Recv(ctx)
			return fmt.Sprint(s.Got, other), err
		}
		v, err := numbers.Recv(ctx)
		if err != nil {
			return "", err
		}
		noted.Start(ctx, v, sendoff.Detached())
		return "", gatherNoted.TailCall(gathered{s.Left - 1, append(s.Got, v)})
	})
)

func signal(t *testing.T, s *rehearse.Scheduler, id, name string, n int64) {
	t.Helper()
	v, err := anypb.New(wrapperspb.Int64(n))
	require.NoError(t, err)
	require.NoError(t, s.Signal(id, name, v))
}

// TestSignalsReachTheNextLife: a call that goes on as something else, under the
// same id, takes the signals that came together with the one it took.
func TestSignalsReachTheNextLife(t *testing.T) {
	for _, m := range modes {
		if m.plain {
			continue // no signals there
		}
		for _, f := range []sendoff.AnyFunction{gatherTail, gatherLoop, gatherCalls} {
			t.Run(m.name+" "+f.Name(), func(t *testing.T) {
				s := stage(t, m, 1, gatherTail, gatherLoop, gatherCalls, noted)
				var input any = gathered{Left: 5}
				if f == sendoff.AnyFunction(gatherLoop) {
					input = 5
				}
				id := start(t, s, f, input)
				signal(t, s, id, "other", 7) // first, and taken last
				for n := range int64(4) {
					signal(t, s, id, "number", n)
				}
				s.After(time.Minute, func() { signal(t, s, id, "number", 4) })
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				result, err := s.Wait(ctx, id)
				require.NoError(t, err)
				require.Nil(t, result.GetError())
				var got wrapperspb.StringValue
				require.NoError(t, result.GetOutput().UnmarshalTo(&got))
				require.Equal(t, "[0 1 2 3 4] 7", got.GetValue(), "each is taken once, in order")
			})
		}
	}
}
