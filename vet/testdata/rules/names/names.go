// Package names breaks the rule about names of functions.
package names

import (
	"context"

	"github.com/sendoff-dev/sendoff"
)

const name = "charge"

func double(_ context.Context, n int) (int, error) { return 2 * n, nil }

var (
	one    = sendoff.Func(name, double)
	two    = sendoff.Func("charge", double) // want `SENDOFF2007: another function is named "charge" at line 15`
	remote = sendoff.Remote[int, int]("charge", "http://127.0.0.1:9000")
)

func choose(fast bool) *sendoff.Function[int, int] {
	if fast {
		return sendoff.Func("choice", double)
	}
	return sendoff.Func("choice", double)
}

// The names of steps may repeat: they are known by their places.
var steps = sendoff.Func("steps", func(ctx context.Context, n int) (int, error) {
	for range 2 {
		if _, err := sendoff.Step(ctx, "same", func(context.Context) (int, error) { return n, nil }); err != nil {
			return 0, err
		}
	}
	return sendoff.Step(ctx, "same", func(context.Context) (int, error) { return n, nil })
})
