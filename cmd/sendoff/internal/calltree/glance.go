package calltree

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// glance brings what is shown of a call beside itself up to date.
func (f *Feed) glance(ctx context.Context, c *Call, now time.Time) {
	if !c.peeked {
		if t, err := f.client.Get(ctx, c.ID); err == nil {
			c.peeked, c.input = true, term.Clean(string(t.Payload))
		}
	}
	if c.function && c.stale(now) {
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

// stepsEvery is how often the steps of a call that goes on are read.
const stepsEvery = 500 * time.Millisecond

// stale tells whether a call may have other steps by now.
func (c *Call) stale(now time.Time) bool {
	s := &c.steps
	changed := s.state != c.State || s.trips != c.Trips
	return (changed || c.State == sendoff.StateRunning) && now.Sub(s.at) >= stepsEvery || changed && c.Final()
}
