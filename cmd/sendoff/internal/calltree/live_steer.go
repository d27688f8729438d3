package calltree

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/screen"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/engine"
)

func (v *Live) answer(k screen.Key) {
	q := v.ask
	v.ask = nil
	if k == "y" {
		q.yes()
	}
}

// fold hides what is below the selected call, and shows it again. Left on a call
// that has nothing to hide goes to its caller.
func (v *Live) fold(k screen.Key) {
	c := v.picked()
	if c == nil {
		return
	}
	switch {
	case k == screen.KeyRight, k == " " && v.folded[c.key]:
		delete(v.folded, c.key)
	case k == screen.KeyLeft && (v.folded[c.key] || !v.hasBelow()) && v.feed.Forest.calls[c.Parent] != nil:
		v.pick = c.Parent
	case v.hasBelow():
		v.folded[c.key] = true
	}
}

// hasBelow tells whether rows below the selected call belong to it.
func (v *Live) hasBelow() bool {
	i := v.selected()
	return i >= 0 && i+1 < len(v.rows) && len(v.rows[i+1].lines) > len(v.rows[i].lines)
}

// picked is the selected call, the last one when there is none, or nil.
func (v *Live) picked() *Call {
	if v.selected() < 0 {
		v.move(-1)
	}
	if i := v.selected(); i >= 0 {
		return v.rows[i].call
	}
	return nil
}

// cancel asks whether the selected call is to be canceled.
func (v *Live) cancel() {
	c := v.picked()
	switch {
	case c == nil:
	case c.Final():
		v.said = term.Clean(c.Name) + " has ended: there is nothing to cancel"
	default:
		v.ask = &question{"cancel " + term.Clean(c.Name) + " with the calls made for it?", func() {
			v.steer("canceled", c, (*engine.Tasks).Cancel)
		}}
	}
}

// again tries the selected call again: a new run of one that has ended, and now
// instead of later for one that waits.
func (v *Live) again() {
	c := v.picked()
	switch {
	case c == nil:
	case c.Final():
		v.steer("begins again:", c, (*engine.Tasks).Retry)
	case c.State == sendoff.StateRunning:
		v.said = term.Clean(c.Name) + " is running: there is nothing to try again"
	default:
		v.steer("goes on now:", c, (*engine.Tasks).RunNow)
	}
}

// steer does something with a call and says what came of it.
func (v *Live) steer(done string, c *Call, do func(*engine.Tasks, context.Context, string) (engine.TaskInfo, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := do(v.feed.engine.Tasks(), ctx, c.ID); err != nil {
		v.said = term.Clean(c.Name) + ": " + err.Error()
		return
	}
	v.said = done + " " + term.Clean(c.Name)
	_ = v.feed.Look(ctx) // so that it is seen at once
}
