package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// stepper is a program with a function of several steps, for the tests. With an
// argument it waits for the signal "go" before its last step.
func stepper() {
	if err := runStepper(len(os.Args) > 1); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runStepper(wait bool) error {
	tries := 0
	refuse := sendoff.Func("refuse", func(context.Context, string) (int, error) {
		return 0, sendoff.Permanent(errors.New("not today"))
	})
	order := sendoff.Func("order", func(ctx context.Context, n int) (string, error) {
		_, err := sendoff.Step(ctx, "reserve", func(context.Context) (map[string]int, error) { return map[string]int{"item": n}, nil })
		if err != nil {
			return "", err
		}
		_, err = sendoff.Step(ctx, "charge", func(context.Context) (string, error) {
			if tries++; tries < 3 {
				return "", sendoff.RetryAfter(errors.New("busy"), time.Millisecond)
			}
			return "paid", nil
		})
		if err != nil {
			return "", err
		}
		_, _ = refuse.Await(ctx, "please")
		_, _ = sendoff.Step(ctx, "notify", func(context.Context) (int, error) { return 0, sendoff.Permanent(errors.New("no such mailbox")) })
		if wait {
			if _, err := sendoff.NewSignal[int]("go").Recv(ctx); err != nil {
				return "", err
			}
		}
		return sendoff.Step(ctx, "ship", func(context.Context) (string, error) { return "shipped", nil })
	})
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{}, order, refuse)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	served := make(chan error, 1)
	go func() { served <- endpoint.ListenAndServe(ctx) }()
	h, err := order.Dispatch(ctx, 17, sendoff.CallID("one"))
	if err == nil {
		_, err = h.Wait(ctx)
	}
	stop()
	return errors.Join(err, <-served)
}
