package steps

import (
	"context"
	"testing"

	"github.com/sendoff-dev/sendoff"
)

func TestCounting(t *testing.T) {
	calls := 0
	f := sendoff.Func("counting", func(ctx context.Context, _ int) (int, error) {
		return sendoff.Step(ctx, "count", func(context.Context) (int, error) {
			calls++
			return calls, nil
		})
	})
	if _, err := f.Await(t.Context(), 1); err != nil || calls != 1 {
		t.Fatal(calls, err)
	}
	_, err := sendoff.Step(t.Context(), "plain", func(context.Context) (int, error) {
		calls++
		return 0, nil
	})
	if err != nil || calls != 2 {
		t.Fatal(calls, err)
	}
}
