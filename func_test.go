package sendoff_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

type order struct {
	ID    string
	Lines []int
}

var double = sendoff.Func("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

func TestAFunctionRunsWithoutAServer(t *testing.T) {
	total := sendoff.Func("total", func(ctx context.Context, o order) (int, error) {
		doubled, err := double.Gather(ctx, o.Lines)
		if err != nil {
			return 0, err
		}
		sum := 0
		for _, n := range doubled {
			sum += n
		}
		more, err := sendoff.Step(ctx, "more", func(context.Context) (int, error) { return 100, nil })
		if err != nil {
			return 0, err
		}
		if err := sendoff.Sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
		return sum + more, nil
	})
	got, err := total.Await(t.Context(), order{"a", []int{1, 2, 3}})
	require.NoError(t, err)
	require.Equal(t, 112, got)
}

func TestBranchesRunSideBySide(t *testing.T) {
	f := sendoff.Func("sides", func(ctx context.Context, n int) ([]string, error) {
		var log []string
		var futures []*sendoff.Future[int]
		for i := range n {
			futures = append(futures, sendoff.Go(ctx, func(ctx context.Context) (int, error) {
				for j := range 3 {
					v, err := double.Await(ctx, 10*i+j)
					if err != nil {
						return 0, err
					}
					log = append(log, fmt.Sprint(v))
				}
				return i, nil
			}))
		}
		_, err := sendoff.All(ctx, futures...)
		return log, err
	})
	got, err := f.Await(t.Context(), 5)
	require.NoError(t, err)
	require.Len(t, got, 15)
}

type teapotError struct{ Size int }

func (e *teapotError) Error() string { return fmt.Sprintf("teapot of size %d", e.Size) }

var errSoldOut = errors.New("sold out")

func init() {
	sendoff.RegisterError[*teapotError]("teapot")
	sendoff.RegisterErrorValue("sold_out", errSoldOut)
}

func TestErrorsCrossTheWire(t *testing.T) {
	brew := sendoff.Func("brew", func(_ context.Context, n int) (int, error) {
		if n == 0 {
			return 0, sendoff.Permanent(fmt.Errorf("wrapped: %w", errSoldOut))
		}
		return 0, sendoff.Permanent(&teapotError{n})
	})
	outer := sendoff.Func("outer", func(ctx context.Context, n int) (int, error) { return brew.Await(ctx, n) })

	_, err := outer.Await(t.Context(), 7)
	pot, ok := errors.AsType[*teapotError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, 7, pot.Size)
	call, ok := errors.AsType[*sendoff.CallError](err)
	require.True(t, ok)
	require.Equal(t, "outer", call.Function)
	require.Equal(t, "teapot", call.Type)

	_, err = outer.Await(t.Context(), 0)
	require.ErrorIs(t, err, errSoldOut)
}
