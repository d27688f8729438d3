package calltree

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// What is read for the rows in view beside the calls themselves.
const (
	lookBudget = 30 * time.Millisecond // of one picture
	stepsEvery = 500 * time.Millisecond
	maxInput   = 28 // characters of an input in a row
)

// glance reads the inputs and the newest steps of the calls in view, as far as
// that is new and time is left.
func (v *Live) glance(now time.Time) {
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
func (f *Feed) glance(ctx context.Context, c *Call, now time.Time) {
	if !c.peeked {
		if t, err := f.client.Get(ctx, c.ID); err == nil {
			c.peeked, c.input = true, term.Clean(string(t.Payload))
		}
	}
	if c.function && c.steps.stale(c, now) {
		if page, err := LastSteps(ctx, f.client, c.ID); err == nil {
			c.steps = stepsInTree(page)
			c.steps.at, c.steps.state, c.steps.trips = now, c.State, c.Trips
		}
	}
}

// GlanceAll reads the steps of the functions of a small session, for the last
// look at them.
func (f *Feed) GlanceAll() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for i, c := range f.Forest.Sorted() {
		if i == maxStepped || ctx.Err() != nil {
			return
		}
		f.glance(ctx, c, time.Now())
	}
}
