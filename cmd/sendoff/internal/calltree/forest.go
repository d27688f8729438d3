package calltree

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// forest is the calls in view. Not safe for concurrent use.
type forest struct {
	most  int // calls kept
	calls map[string]*Call
	Total int // calls that were ever in view
	Ended map[sendoff.State]int
}

// maxCalls are kept in view.
const maxCalls = 4000

func newForest(most int) *forest {
	return &forest{most: most, calls: map[string]*Call{}, Ended: map[sendoff.State]int{}}
}

// put adds a call or replaces what is known of it; it returns what was.
func (f *forest) put(c *Call) (before *Call) {
	before = f.calls[c.key]
	switch before {
	case nil:
		f.Total++
	default:
		c.folded, c.steps, c.input, c.peeked = before.folded, before.steps, before.input, before.peeked
		if before.Final() {
			f.Ended[before.State]--
		}
	}
	if c.Final() {
		f.Ended[c.State]++
	}
	f.calls[c.key] = c
	return before
}

// Open is how many calls have not ended.
func (f *forest) Open() (n int) {
	for _, count := range f.unfinished() {
		n += count
	}
	return n
}

// unfinished counts the calls that have not ended by their state.
func (f *forest) unfinished() map[sendoff.State]int {
	counts := map[sendoff.State]int{}
	for _, c := range f.calls {
		if !c.Final() {
			counts[c.State]++
		}
	}
	return counts
}

// callStates are the states in the order in which they are counted.
var callStates = []sendoff.State{sendoff.StateRunning, sendoff.StateReady, sendoff.StateSuspended, sendoff.StateScheduled, sendoff.StateBlocked, sendoff.StateSucceeded, sendoff.StateFailed, sendoff.StateCanceled}

// counts is how many calls there are, by their state.
func (f *forest) counts() string {
	open, parts := f.unfinished(), []string(nil)
	for _, state := range callStates {
		if n := open[state] + f.Ended[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	text := term.Counted(f.Total, "call")
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
			if p := f.calls[c.Parent]; p != nil {
				p.folded += 1 + c.folded
			}
			delete(f.calls, c.key)
		}
	}
}

func (f *forest) endedLeaves() []*Call {
	callers := map[string]bool{}
	for _, c := range f.calls {
		callers[c.Parent] = true
	}
	var leaves []*Call
	for _, c := range f.calls {
		if c.Final() && !callers[c.key] {
			leaves = append(leaves, c)
		}
	}
	slices.SortFunc(leaves, func(a, b *Call) int { return cmp.Compare(a.key, b.key) })
	return leaves
}

// hidden is how many calls were in view and are not kept any more.
func (f *forest) hidden() int { return f.Total - len(f.calls) }

// All are the calls in view, in no order.
func (f *forest) All() iter.Seq[*Call] { return maps.Values(f.calls) }

// Sorted are the calls in view by creation.
func (f *forest) Sorted() []*Call {
	list := slices.Collect(maps.Values(f.calls))
	slices.SortFunc(list, func(a, b *Call) int { return cmp.Compare(a.key, b.key) })
	return list
}
