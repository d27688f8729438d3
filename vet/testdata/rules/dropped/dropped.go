// Package dropped breaks the rule about futures that nobody uses.
package dropped

import (
	"context"

	"github.com/sendoff-dev/sendoff"
)

var charge = sendoff.Func("charge", func(_ context.Context, n int) (int, error) { return n, nil })

func ping(context.Context) (int, error) { return 0, nil }

var bad = sendoff.Func("bad", func(ctx context.Context, n int) (int, error) {
	charge.Start(ctx, n)              // want `SENDOFF2009: the Future of sendoff.Function.Start is dropped`
	_ = sendoff.Go(ctx, ping)         // want `SENDOFF2009: the Future of sendoff.Go is dropped`
	sendoff.StepAsync(ctx, "a", ping) // want `SENDOFF2009: the Future of sendoff.StepAsync is dropped`
	sendoff.After(ctx, 1)             // want `SENDOFF2009: the Future of sendoff.After is dropped`
	charge.TailCall(n)                // want `SENDOFF2009: the result of sendoff.Function.TailCall is dropped`
	return n, nil
})

var good = sendoff.Func("good", func(ctx context.Context, n int) (int, error) {
	charge.Start(ctx, n, sendoff.Detached())
	first := charge.Start(ctx, n)
	both := []*sendoff.Future[int]{first, sendoff.Go(ctx, ping)}
	if _, err := sendoff.All(ctx, both...); err != nil {
		return 0, err
	}
	if _, err := sendoff.StepAsync(ctx, "a", ping).Await(ctx); err != nil {
		return 0, err
	}
	return 0, charge.TailCall(n)
})
