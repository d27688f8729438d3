package main

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/engine"
)

// question is something to be confirmed with a key.
type question struct {
	text string
	yes  func()
}

func (v *liveView) answer(k key) {
	q := v.ask
	v.ask = nil
	if k == "y" {
		q.yes()
	}
}

// fold hides what is below the selected call, and shows it again. Left on a call
// that has nothing to hide goes to its caller.
func (v *liveView) fold(k key) {
	c := v.picked()
	if c == nil {
		return
	}
	switch {
	case k == keyRight, k == " " && v.folded[c.key]:
		delete(v.folded, c.key)
	case k == keyLeft && (v.folded[c.key] || !v.hasBelow()) && v.feed.forest.calls[c.parent] != nil:
		v.pick = c.parent
	case v.hasBelow():
		v.folded[c.key] = true
	}
}

// hasBelow tells whether rows below the selected call belong to it.
func (v *liveView) hasBelow() bool {
	i := v.selected()
	return i >= 0 && i+1 < len(v.rows) && len(v.rows[i+1].lines) > len(v.rows[i].lines)
}

// picked is the selected call, the last one when there is none, or nil.
func (v *liveView) picked() *call {
	if v.selected() < 0 {
		v.move(-1)
	}
	if i := v.selected(); i >= 0 {
		return v.rows[i].call
	}
	return nil
}

// cancel asks whether the selected call is to be canceled.
func (v *liveView) cancel() {
	c := v.picked()
	switch {
	case c == nil:
	case c.final():
		v.said = clean(c.name) + " has ended: there is nothing to cancel"
	default:
		v.ask = &question{"cancel " + clean(c.name) + " with the calls made for it?", func() {
			v.steer("canceled", c, (*engine.Tasks).Cancel)
		}}
	}
}

// again tries the selected call again: a new run of one that has ended, and now
// instead of later for one that waits.
func (v *liveView) again() {
	c := v.picked()
	switch {
	case c == nil:
	case c.final():
		v.steer("begins again:", c, (*engine.Tasks).Retry)
	case c.state == "running":
		v.said = clean(c.name) + " is running: there is nothing to try again"
	default:
		v.steer("goes on now:", c, (*engine.Tasks).RunNow)
	}
}

// steer does something with a call and says what came of it.
func (v *liveView) steer(done string, c *call, do func(*engine.Tasks, context.Context, string) (engine.Task, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := do(v.feed.engine.Tasks(), ctx, c.id); err != nil {
		v.said = clean(c.name) + ": " + err.Error()
		return
	}
	v.said = done + " " + clean(c.name)
	_ = v.feed.look(ctx) // so that it is seen at once
}
