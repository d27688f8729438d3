// Package helpers is called by durable code of another package.
package helpers

import (
	"context"
	"net/http"
	"time"

	"github.com/sendoff-dev/sendoff"
)

var charge = sendoff.Func("helper_charge", func(_ context.Context, n int) (int, error) { return n, nil })

// Stamp gives another value each time.
func Stamp() int64 { return time.Now().Unix() }

// Observe reads the clock and gives nothing back.
func Observe(began time.Time) { _ = time.Since(began) }

// Notify touches the world.
func Notify() error {
	_, err := http.Get("http://example.com")
	return err
}

// Total is pure.
func Total(ns []int) (sum int) {
	for _, n := range ns {
		sum += n
	}
	return sum
}

// Charge reaches a durable operation, and works elsewhere as well: what is wrong
// with it depends on who calls it.
func Charge(ctx context.Context, n int) (int, error) {
	go Observe(time.Time{})
	return charge.Await(ctx, n)
}

// ChargeTwice works only in a durable function.
func ChargeTwice(ctx context.Context, n int) (int, error) {
	first := charge.Start(ctx, n)
	time.Sleep(1) // want `SENDOFF2003: time.Sleep`
	return first.Await(ctx)
}

// InStep runs fn in a step.
func InStep(ctx context.Context, fn func(context.Context) error) error {
	_, err := sendoff.Step(ctx, "in_step", func(ctx context.Context) (struct{}, error) { return struct{}{}, fn(ctx) })
	return err
}

// Define makes a durable function.
func Define(name string, fn func(context.Context, int) (int, error)) *sendoff.Function[int, int] {
	return sendoff.Func(name, fn)
}
