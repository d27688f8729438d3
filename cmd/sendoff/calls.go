package main

import (
	"cmp"
	"time"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// call is a task as the tree shows it.
type call struct {
	id       string  // as it goes by outside
	task     task.ID // of a call of the engine in this process
	key      string  // its place in the order of creation
	parent   string  // key; "" = none
	name     string
	endpoint string
	state    string
	reason   string
	attempt  int
	trips    int64 // claims so far; 0 = not known
	began    time.Time
	ended    time.Time
	next     time.Time // of the next attempt
	looked   time.Time // when it was read
	err      string
	function bool
	earlier  bool   // made by an earlier run of its caller
	input    string // as JSON; see peeked
	peeked   bool   // the input was read
	folded   int    // calls below it that are not kept any more
	made     time.Time
	steps    callSteps
}

func (c *call) final() bool {
	return c.state == "succeeded" || c.state == "failed" || c.state == "canceled"
}

// took is how long the call took, or takes already.
func (c *call) took(now time.Time) time.Duration {
	switch {
	case c.began.IsZero():
		return 0
	case c.final() && !c.ended.IsZero():
		now = c.ended
	}
	return max(now.Sub(c.began), 0)
}

// changed is when the call came to be as it is, as far as that is known.
func (c *call) changed() time.Time {
	if c.final() && !c.ended.IsZero() {
		return c.ended
	}
	return c.looked
}

// callOf shows a task of the engine in this process.
func callOf(t *engine.Task) *call {
	c := &call{
		id: t.PublicID(), task: t.ID, key: t.ID.String(), name: cmp.Or(t.Spec.Function, t.Spec.Name, t.Spec.URL, t.Spec.Handler),
		endpoint: t.Spec.Endpoint, state: t.State.String(), reason: t.Reason.String(), trips: t.Token, looked: time.Now(),
		began: micros(t.FirstStarted), ended: micros(t.FinishedAt), err: t.LastError,
	}
	c.made, c.function = micros(t.CreatedAt), t.Kind == task.Function
	if !t.Parent.IsZero() {
		c.parent = t.Parent.String()
	}
	if t.State == task.Scheduled {
		c.next = micros(t.At)
	}
	c.attempt = attemptOf(c.state, int(t.Failures), t.Token > 0)
	c.settle()
	return c
}

// attemptOf counts from 1: the attempt under way, or the last one.
func attemptOf(state string, failures int, started bool) int {
	switch state {
	case "running", "suspended", "succeeded":
		return failures + 1
	case "ready":
		if started {
			return failures + 1
		}
	}
	return failures
}

// settle removes what is not true any more.
func (c *call) settle() {
	if c.state == "succeeded" {
		c.err, c.reason = "", ""
	}
}

func micros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}
