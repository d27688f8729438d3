// Package calltree shows calls of durable functions as a tree: once, as a server
// tells it, or live on a terminal, as the engine in this process goes along. It
// does not know what the tree is shown for, nor who started the engine.
package calltree

import (
	"cmp"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// Call is a task as the tree shows it.
type Call struct {
	ID       string  // as it goes by outside
	task     task.ID // of a call of the engine in this process
	key      string  // its place in the order of creation
	Parent   string  // key; "" = none
	Name     string
	Endpoint string
	State    sendoff.State
	Reason   string
	Attempt  int
	Trips    int64 // claims so far; 0 = not known
	Began    time.Time
	Ended    time.Time
	Next     time.Time // of the next attempt
	looked   time.Time // when it was read
	Err      string
	Cause    task.Cause // why the last attempt got no answer; of a call of the engine in this process
	function bool
	earlier  bool   // made by an earlier run of its caller
	input    string // as JSON; see peeked
	peeked   bool   // the input was read
	folded   int    // calls below it that are not kept any more
	made     time.Time
	steps    callSteps
}

// Final tells whether the call has ended.
func (c *Call) Final() bool { return c.State.Final() }

// Took is how long the call took, or takes already.
func (c *Call) Took(now time.Time) time.Duration {
	switch {
	case c.Began.IsZero():
		return 0
	case c.Final() && !c.Ended.IsZero():
		now = c.Ended
	}
	return max(now.Sub(c.Began), 0)
}

// Changed is when the call came to be as it is, as far as that is known.
func (c *Call) Changed() time.Time {
	if c.Final() && !c.Ended.IsZero() {
		return c.Ended
	}
	return c.looked
}

// title is what a call is called: its function, and the name that it was given beside.
func title(function, name, url, handler string) string {
	if function != "" && name != "" && name != function {
		return function + " " + name
	}
	return cmp.Or(function, name, url, handler)
}

// callOf shows a task of the engine in this process.
func callOf(t *engine.TaskInfo) *Call {
	c := &Call{
		ID: t.ID, task: t.UUID, key: t.UUID.String(), Name: title(t.Function, t.Name, t.URL, t.Handler),
		Endpoint: t.Endpoint, State: sendoff.State(t.State.String()), Reason: t.Reason.String(), Trips: t.Token, looked: time.Now(),
		Began: t.FirstStarted, Ended: t.FinishedAt, Err: t.LastError, Cause: t.LastCause,
	}
	c.made, c.function = t.CreatedAt, t.Kind == task.Function
	if !t.Parent.IsZero() {
		c.Parent = t.Parent.String()
	}
	if t.State == task.Scheduled {
		c.Next = t.NextAt
	}
	c.Attempt = attemptOf(c.State, t.Failures, t.Token > 0)
	c.settle()
	return c
}

// attemptOf counts from 1: the attempt under way, or the last one.
func attemptOf(state sendoff.State, failures int, started bool) int {
	switch state {
	case sendoff.StateRunning, sendoff.StateSuspended, sendoff.StateSucceeded:
		return failures + 1
	case sendoff.StateReady:
		if started {
			return failures + 1
		}
	}
	return failures
}

// settle removes what is not true any more.
func (c *Call) settle() {
	if c.State == sendoff.StateSucceeded {
		c.Err, c.Cause, c.Reason = "", task.NoCause, ""
	}
}
