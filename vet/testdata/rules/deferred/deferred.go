// Package deferred breaks the rule about deferred functions.
package deferred

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff"
)

var charge = sendoff.Func("charge", func(_ context.Context, n int) (int, error) { return n, nil })

func release(ctx context.Context) { _, _ = charge.Await(ctx, 1) }

func amount(ctx context.Context) int {
	n, _ := charge.Await(ctx, 1)
	return n
}

var bad = sendoff.Func("bad", func(ctx context.Context, n int) (int, error) {
	undo := sendoff.NewSaga(ctx)
	defer release(ctx) // want `SENDOFF2008: release in a deferred function`
	defer func() {
		_, _ = charge.Await(ctx, n) // want `SENDOFF2008: sendoff.Function.Await in a deferred function.*RollbackOnError`
		_ = undo.Rollback()         // want `SENDOFF2008: sendoff.Saga.Rollback`
	}()
	return charge.Await(ctx, n)
})

var good = sendoff.Func("good", func(ctx context.Context, n int) (_ int, err error) {
	undo := sendoff.NewSaga(ctx)
	defer undo.RollbackOnError(&err)
	ctx, cancel := sendoff.WithTimeout(ctx, time.Hour)
	defer cancel()
	future := charge.Start(ctx, n)
	defer future.Cancel()
	defer record(amount(ctx))
	undo.Add("release", func(context.Context) error { return nil })
	return sendoff.Step(ctx, "work", func(context.Context) (int, error) {
		defer cancel()
		return n, nil
	})
})

func record(int) {}
