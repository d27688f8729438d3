// Package recovering breaks the rule about recover.
package recovering

import (
	"context"
	"fmt"
	"strconv"

	"github.com/sendoff-dev/sendoff"
)

var charge = sendoff.Func("charge", func(_ context.Context, n int) (int, error) { return n, nil })

func swallow() { _ = recover() }

var bad = sendoff.Func("bad", func(ctx context.Context, n int) (_ int, err error) {
	defer func() {
		if p := recover(); p != nil { // want `SENDOFF2010: recover around sendoff.Function.Await`
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	defer swallow() // want `SENDOFF2010: recover around sendoff.Function.Await`
	return charge.Await(ctx, n)
})

var good = sendoff.Func("good", func(ctx context.Context, n int) (int, error) {
	defer func() {
		if p := recover(); p != nil {
			sendoff.Logger(ctx).Error("panic", "value", p)
			panic(p)
		}
	}()
	n += parse("5") + func() (n int) {
		defer func() { _ = recover() }()
		return must(strconv.Atoi("6"))
	}()
	return sendoff.Step(ctx, "risky", func(context.Context) (_ int, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		return must(strconv.Atoi(charge.Name())), nil
	})
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// parse recovers, and reaches no durable operation.
func parse(s string) (n int) {
	defer swallow()
	return must(strconv.Atoi(s))
}
