package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
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

// remoteCall shows a task that a server told about.
func remoteCall(t *sendoff.Task) *call {
	c := &call{
		id: t.ID, key: t.ID, parent: t.ParentID, name: cmp.Or(t.Function, t.Name, t.URL, t.Handler), endpoint: t.Endpoint,
		state: t.State, reason: t.Reason, attempt: t.Attempts, began: t.CreatedAt, ended: t.FinishedAt, next: t.NextAt, err: t.LastError,
	}
	c.made, c.function, c.earlier = t.CreatedAt, t.Function != "", t.EarlierRun
	if t.State == "suspended" || t.State == "ready" && !t.StartedAt.IsZero() {
		c.attempt++
	}
	c.settle()
	return c
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

// forest is the calls in view. Not safe for concurrent use.
type forest struct {
	most  int // calls kept
	calls map[string]*call
	total int // calls that were ever in view
	ended map[string]int
}

// maxCalls are kept in view.
const maxCalls = 4000

func newForest(most int) *forest {
	return &forest{most: most, calls: map[string]*call{}, ended: map[string]int{}}
}

// put adds a call or replaces what is known of it; it returns what was.
func (f *forest) put(c *call) (before *call) {
	before = f.calls[c.key]
	switch before {
	case nil:
		f.total++
	default:
		c.folded, c.steps, c.input, c.peeked = before.folded, before.steps, before.input, before.peeked
		if before.final() {
			f.ended[before.state]--
		}
	}
	if c.final() {
		f.ended[c.state]++
	}
	f.calls[c.key] = c
	return before
}

// open is how many calls have not ended.
func (f *forest) open() (n int) {
	for _, count := range f.unfinished() {
		n += count
	}
	return n
}

// unfinished counts the calls that have not ended by their state.
func (f *forest) unfinished() map[string]int {
	counts := map[string]int{}
	for _, c := range f.calls {
		if !c.final() {
			counts[c.state]++
		}
	}
	return counts
}

// callStates are the states in the order in which they are counted.
var callStates = []string{"running", "ready", "suspended", "scheduled", "blocked", "succeeded", "failed", "canceled"}

// counts is how many calls there are, by their state.
func (f *forest) counts() string {
	open, parts := f.unfinished(), []string(nil)
	for _, state := range callStates {
		if n := open[state] + f.ended[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	text := counted(f.total, "call")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

// trim forgets ended calls without calls of their own, oldest first, until there
// is room; the caller remembers how many.
func (f *forest) trim() {
	for len(f.calls) > f.most {
		leaves := f.endedLeaves()
		if len(leaves) == 0 {
			return
		}
		for _, c := range leaves[:min(len(leaves), len(f.calls)-f.most+f.most/10)] {
			if p := f.calls[c.parent]; p != nil {
				p.folded += 1 + c.folded
			}
			delete(f.calls, c.key)
		}
	}
}

func (f *forest) endedLeaves() []*call {
	callers := map[string]bool{}
	for _, c := range f.calls {
		callers[c.parent] = true
	}
	var leaves []*call
	for _, c := range f.calls {
		if c.final() && !callers[c.key] {
			leaves = append(leaves, c)
		}
	}
	slices.SortFunc(leaves, func(a, b *call) int { return cmp.Compare(a.key, b.key) })
	return leaves
}

// hidden is how many calls were in view and are not kept any more.
func (f *forest) hidden() int { return f.total - len(f.calls) }

// sorted are the calls in view by creation.
func (f *forest) sorted() []*call {
	list := slices.Collect(maps.Values(f.calls))
	slices.SortFunc(list, func(a, b *call) int { return cmp.Compare(a.key, b.key) })
	return list
}
