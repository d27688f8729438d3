// Package scope is about which code is durable.
package scope

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/vet/testdata/rules/helpers"
)

var charge = sendoff.Func("charge", func(_ context.Context, n int) (int, error) { return n, nil })

var crossing = sendoff.Func("crossing", func(ctx context.Context, n int) (int, error) {
	n += int(helpers.Stamp()) // want `SENDOFF2003: helpers.Stamp, which calls time.Now, in durable code`
	helpers.Observe(sendoff.Now(ctx))
	if err := helpers.Notify(); err != nil { // want `SENDOFF2003: helpers.Notify, which calls http.Get`
		return 0, err
	}
	if err := helpers.InStep(ctx, func(context.Context) error { return helpers.Notify() }); err != nil {
		return 0, err
	}
	n += helpers.Total([]int{local(), n})             // want `SENDOFF2003: local, which calls os.Getpid`
	if _, err := helpers.Charge(ctx, n); err != nil { // want `SENDOFF2001: helpers.Charge, which runs in durable code here, has a go statement in durable code`
		return 0, err
	}
	return helpers.ChargeTwice(ctx, n)
})

func local() int { return os.Getpid() }

var defined = helpers.Define("defined", func(ctx context.Context, n int) (int, error) {
	_ = time.Now() // want `SENDOFF2003: time.Now`
	return charge.Await(ctx, n)
})

// quote is called by durable code, so it is durable code.
func quote(ctx context.Context, n int) (int, error) {
	_ = time.Now() // want `SENDOFF2003: time.Now`
	return charge.Await(ctx, n)
}

var quoted = sendoff.Func("quoted", func(ctx context.Context, n int) (int, error) { return quote(ctx, n) })

// handle starts a function; nothing of it is replayed.
func handle(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	began := time.Now()
	h, err := charge.Dispatch(ctx, 1)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	done := make(chan error, 1)
	go func() {
		_, err := h.Wait(ctx)
		done <- err
	}()
	fmt.Fprintln(w, <-done, time.Since(began))
}

// program runs functions in memory.
func program(ctx context.Context) error {
	for name, n := range map[string]int{"a": 1} {
		got, err := charge.Await(ctx, n)
		if err != nil {
			return err
		}
		fmt.Println(name, got, time.Now())
	}
	return nil
}

// table holds functions for others to call; only they are durable code.
func table() map[string]func(context.Context, int) (int, error) {
	fmt.Println(time.Now())
	return map[string]func(context.Context, int) (int, error){
		"sleeps": func(ctx context.Context, n int) (int, error) {
			_ = time.Now() // want `SENDOFF2003: time.Now`
			return charge.Start(ctx, n).Await(ctx)
		},
		"neither": func(context.Context, int) (int, error) { return time.Now().Second(), nil },
	}
}

func twice(ctx context.Context, fn func(context.Context) error) error {
	if fn(ctx) == nil {
		return nil
	}
	return fn(ctx)
}

var twiced = sendoff.Func("twiced", func(ctx context.Context, ns map[string]int) (int, error) {
	for _, n := range ns {
		err := twice(ctx, func(ctx context.Context) error {
			_ = time.Now()                 // want `SENDOFF2003: time.Now`
			_, err := charge.Await(ctx, n) // want `SENDOFF2002: sendoff.Function.Await in a range over a map`
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return 0, nil
})
