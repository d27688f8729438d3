// Package goroutines breaks the rule about goroutines and channels.
package goroutines

import (
	"context"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff"
)

var charge = sendoff.Func("charge", func(_ context.Context, n int) (int, error) { return n, nil })

var bad = sendoff.Func("bad", func(ctx context.Context, n int) (int, error) {
	done := make(chan int, 1)
	go func() { done <- n }() // want `SENDOFF2001: a go statement in durable code.*sendoff.Go`
	got := <-done             // want `SENDOFF2001: a receive from a channel`
	done <- got               // want `SENDOFF2001: a send to a channel`
	select {                  // want `SENDOFF2001: a select statement`
	case <-done:
	case <-ctx.Done():
	}
	for range done { // want `SENDOFF2001: a range over a channel`
	}
	var wg sync.WaitGroup
	wg.Wait()                                 // want `SENDOFF2001: sync.WaitGroup.Wait in durable code`
	stop := context.AfterFunc(ctx, func() {}) // want `SENDOFF2001: context.AfterFunc`
	_ = stop()
	return charge.Await(ctx, n)
})

type service struct {
	mu    sync.RWMutex
	cache map[string]int
}

func (s *service) heldTooLong(ctx context.Context, n int) (int, error) {
	s.mu.Lock() // want `SENDOFF2001: a sync.RWMutex that is held during sendoff.Function.Await`
	defer s.mu.Unlock()
	return charge.Await(ctx, n)
}

func (s *service) heldBriefly(ctx context.Context, n int) (int, error) {
	s.mu.Lock()
	s.cache["n"] = n
	s.mu.Unlock()
	n, err := charge.Await(ctx, n)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return n + s.cache["n"], err
}

func (s *service) functions() []sendoff.AnyFunction {
	return []sendoff.AnyFunction{
		sendoff.Func("too_long", s.heldTooLong),
		sendoff.Func("briefly", s.heldBriefly),
		sendoff.Func("in_a_step", s.inAStep),
		sendoff.Func("poll", poll),
		sendoff.Func("pages", pages),
	}
}

func (s *service) inAStep(ctx context.Context, n int) (int, error) {
	return sendoff.Step(ctx, "parallel", func(ctx context.Context) (int, error) {
		out := make(chan int)
		go func() { out <- n }()
		select {
		case v := <-out:
			return v, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
}

// poll only asks whether its context has ended.
func poll(ctx context.Context, n int) (int, error) {
	for range n {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		default:
		}
		if err := sendoff.Sleep(ctx, time.Second); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// only has its one durable operation in a goroutine.
var only = sendoff.Func("only", func(ctx context.Context, n int) (int, error) {
	done := make(chan int, 1)
	go func() { // want `SENDOFF2001: a go statement in durable code`
		got, _ := charge.Await(ctx, n)
		done <- got
	}()
	return <-done, nil // want `SENDOFF2001: a receive from a channel`
})

// pages computes side by side in a function that reaches no durable operation.
func pages(ctx context.Context, n int) (int, error) {
	return charge.Await(ctx, parallelSum(n))
}

func parallelSum(n int) (sum int) {
	var wg sync.WaitGroup
	parts := make([]int, n)
	for i := range parts {
		wg.Go(func() { parts[i] = i })
	}
	wg.Wait()
	for _, p := range parts {
		sum += p
	}
	return sum
}
