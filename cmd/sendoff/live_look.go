package main

import (
	"context"
	"time"
)

// What is read for the rows in view beside the calls themselves.
const (
	lookBudget = 30 * time.Millisecond // of one picture
	stepsEvery = 500 * time.Millisecond
	maxInput   = 28 // characters of an input in a row
)

// glance reads the inputs and the newest steps of the calls in view, as far as
// that is new and time is left.
func (v *liveView) glance(now time.Time) {
	tree, _ := (&frame{lines: v.screen.lines, logs: v.logs}).split()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for i := v.top; i < len(v.rows) && i < v.top+tree && time.Since(now) < lookBudget; i++ {
		if c := v.rows[i].call; c != nil {
			v.feed.glance(ctx, c, now)
		}
	}
}

// glance brings what is shown of a call beside itself up to date.
func (f *feed) glance(ctx context.Context, c *call, now time.Time) {
	if !c.peeked {
		if t, err := f.client.Get(ctx, c.id); err == nil {
			c.peeked, c.input = true, clean(string(t.Payload))
		}
	}
	if c.function && c.steps.stale(c, now) {
		if page, err := lastSteps(ctx, f.client, c.id); err == nil {
			c.steps = stepsInTree(page)
			c.steps.at, c.steps.state, c.steps.trips = now, c.state, c.trips
		}
	}
}

// glanceAll reads the steps of the functions of a small session, for the last
// look at them.
func (f *feed) glanceAll() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for i, c := range f.forest.sorted() {
		if i == maxStepped || ctx.Err() != nil {
			return
		}
		f.glance(ctx, c, time.Now())
	}
}
