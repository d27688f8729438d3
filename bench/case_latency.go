package main

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff/engine"
)

// From submission to the start of the handler, at low load: one task each 20 ms.
func latencyCases() []benchCase {
	return floors("latency", func(group string) []benchCase {
		cases := []benchCase{
			{Group: group, Who: "sendoff", N: 300, Short: 100, do: latency},
			{Group: group, Who: "river-tuned", N: 300, Short: 100, do: riverLatency(riverTuned)},
			{Group: group, Who: "river-default", N: 300, Short: 100, do: riverLatency(riverDefault)},
		}
		return cases
	})
}

const (
	latencyGap  = 20 * time.Millisecond
	latencyWarm = 25 // tasks that are not counted
)

func latency(ctx context.Context, r *run) error {
	s, err := r.floor(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	e, err := engine.New(s, engine.Config{})
	if err != nil {
		return err
	}
	starts := make(chan start, 1)
	e.HandleFunc(handlerName, func(_ context.Context, c *engine.Call) error {
		starts <- start{int(binary.BigEndian.Uint64(c.Payload)), time.Now()}
		return nil
	})
	stop := running(ctx, e)
	for e.Ready(ctx) != nil {
		time.Sleep(time.Millisecond)
	}
	err = r.atLowLoad(ctx, starts, func(i int) error {
		_, err := e.Submit(ctx, local(append(binary.BigEndian.AppendUint64(nil, uint64(i)), payload[8:]...)))
		return err
	})
	if err != nil {
		return err
	}
	return stop()
}

// start says when a handler got a task.
type start struct {
	task int
	at   time.Time
}

// atLowLoad submits tasks one by one and notes how long each took to start.
func (r *run) atLowLoad(ctx context.Context, starts <-chan start, submit func(i int) error) error {
	submitted := make([]time.Time, r.N+latencyWarm)
	var waits []time.Duration
	over := make(chan struct{})
	go func() {
		defer close(over)
		for range len(submitted) {
			s := <-starts
			if s.task >= latencyWarm {
				waits = append(waits, s.at.Sub(submitted[s.task]))
			}
		}
	}()
	ticks := time.NewTicker(latencyGap)
	defer ticks.Stop()
	for i := range submitted {
		<-ticks.C
		if i == latencyWarm {
			if err := r.begin(ctx); err != nil {
				return err
			}
		}
		submitted[i] = time.Now()
		if err := submit(i); err != nil {
			return err
		}
	}
	<-over
	if err := r.end(ctx, r.N); err != nil {
		return err
	}
	slices.Sort(waits)
	at := func(share float64) float64 {
		return float64(waits[int(share*float64(len(waits)-1))].Microseconds()) / 1000
	}
	r.sample.Values["p50_ms"], r.sample.Values["p99_ms"] = at(0.5), at(0.99)
	return nil
}
