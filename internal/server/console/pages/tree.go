package pages

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/sendoff-dev/sendoff"
)

// Tree is the page of a function with all calls made for it.
type Tree struct {
	View      string // tree, waterfall or graph
	Query     url.Values
	Items     []sendoff.Task // the function first, callers before their calls
	Truncated bool           // there are more calls than the server looks at
	Zoom      int            // of a drawing, in percent
}

// The bounds of a page with a tree.
const (
	treeRowsMost  = 500  // rows
	siblingsMost  = 20   // calls of one caller, unless they were asked for
	treeLiveMost  = 1000 // calls of a tree that is asked for again by itself
	treeDrawnMost = 400  // calls that are drawn as a graph
	deepest       = 24   // levels that are drawn each further in
)

// treeViews are the ways to look at a function, with what people call them.
var treeViews = [][2]string{{"", "Function"}, {"tree", "Call tree"}, {"waterfall", "Waterfall"}, {"graph", "Graph"}}

// Still tells whether a tree is too large to be asked for again and again.
func (t *Tree) Still() bool { return len(t.Items) > treeLiveMost }

// treeRow is a line of a tree: a call, or how many there are besides.
type treeRow struct {
	call     *sendoff.Task // nil = a note
	depth    int
	lines    string // that lead to it
	note     string
	all      templ.SafeURL // where what a note counts is shown
	decisive bool          // on the path that decided how long it all took
}

// calls are the calls of a tree by their caller, and what is to be shown of them.
type calls struct {
	by       map[string][]*sendoff.Task
	open     []string // ids of callers whose calls are all shown
	query    url.Values
	decisive map[string]bool
	rows     []treeRow
}

// rows are the lines of a tree, callers before their calls.
func (t *Tree) rows() []treeRow {
	c := &calls{by: map[string][]*sendoff.Task{}, open: t.Query["open"], query: t.Query, decisive: map[string]bool{}}
	for i := range t.Items[1:] {
		call := &t.Items[i+1]
		c.by[call.ParentID] = append(c.by[call.ParentID], call)
	}
	c.decide(&t.Items[0])
	c.add(&t.Items[0], 0, "", "")
	return c.rows
}

// decide marks the path that decided when a function ended: of each caller the call that
// ended last.
func (c *calls) decide(at *sendoff.Task) {
	for c.decisive[at.ID] = true; len(c.by[at.ID]) > 0; c.decisive[at.ID] = true {
		at = slices.MaxFunc(c.by[at.ID], func(a, b *sendoff.Task) int { return ended(a).Compare(ended(b)) })
	}
}

// ended is when a call ended; one that goes on will have ended after all others.
func ended(t *sendoff.Task) time.Time {
	if t.FinishedAt.IsZero() {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.FinishedAt
}

// add appends a call and what is below it, as far as there is room.
func (c *calls) add(call *sendoff.Task, depth int, lines, lead string) {
	if len(c.rows) >= treeRowsMost {
		return
	}
	c.rows = append(c.rows, treeRow{call: call, depth: depth, lines: lines, decisive: c.decisive[call.ID]})
	shown := c.by[call.ID]
	if !slices.Contains(c.open, call.ID) {
		shown = few(shown)
	}
	left := len(c.by[call.ID]) - len(shown)
	for i, below := range shown {
		branch, next := "├─ ", "│  "
		if i == len(shown)-1 && left == 0 {
			branch, next = "└─ ", "   "
		}
		if depth >= deepest {
			next = ""
		}
		c.add(below, depth+1, lead+branch, lead+next)
	}
	if left > 0 && len(c.rows) < treeRowsMost {
		q := with(c.query, "", "")
		q["open"] = append(slices.Clone(c.open), call.ID)
		c.rows = append(c.rows, treeRow{depth: depth + 1, lines: lead + "└─ ", note: number(int64(left)) + " more calls", all: templ.SafeURL("?" + q.Encode())})
	}
}

// few are the calls of a caller that are shown at once: the first of them, and those that
// did not succeed.
func few(all []*sendoff.Task) (shown []*sendoff.Task) {
	if len(all) <= siblingsMost {
		return all
	}
	for _, call := range all {
		if len(shown) < siblingsMost/2 || call.State != sendoff.StateSucceeded && len(shown) < siblingsMost {
			shown = append(shown, call)
		}
	}
	return shown
}

// words say how many calls a tree has, by their states.
func (t *Tree) words() string {
	counts := map[string]int{}
	for i := range t.Items[1:] {
		counts[string(t.Items[i+1].State)]++
	}
	var parts []string
	for _, state := range States {
		if n := counts[state]; n > 0 {
			parts = append(parts, number(int64(n))+" "+state)
		}
	}
	total := number(int64(len(t.Items)-1)) + " calls"
	if len(t.Items) == 2 {
		total = "1 call"
	}
	if t.Truncated {
		total = "more than " + total
	}
	if len(parts) == 0 {
		return total
	}
	return total + ": " + strings.Join(parts, ", ")
}

// took is how long a call has taken from when it was made, or has until now.
func took(t *sendoff.Task, now time.Time) time.Duration {
	if !t.FinishedAt.IsZero() {
		now = t.FinishedAt
	}
	return max(now.Sub(t.CreatedAt), 0)
}

// callName is what a call is called: its function, and the name that it was given beside.
func callName(t *sendoff.Task) string {
	if t.Function != "" && t.Name != "" && t.Name != t.Function {
		return t.Function + " " + t.Name
	}
	return NameOf(t)
}

// viewOf is the address of a way to look at a function.
func viewOf(id, view string) templ.SafeURL {
	return query(string(to("tasks", id)), with(nil, "view", view))
}

// hasViews tells whether there are several ways to look at a task.
func hasViews(t *sendoff.Task) bool { return t.Kind == "function" }

func levelText(depth int) string { return fmt.Sprintf("level %d: ", depth+1) }

func rootOf(t *sendoff.Task) string {
	if t.RootID != "" {
		return t.RootID
	}
	return t.ID
}

// stepEnd is what a step brought.
func stepEnd(s *sendoff.StepRecord) string {
	if s.Error == nil {
		return string(s.Result)
	}
	return strings.TrimPrefix(s.Error.Type+": "+s.Error.Message, ": ")
}
