package calltree

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// treeRow is a line of the tree: a call, a step of one, or a note about several.
type treeRow struct {
	call  *Call               // nil = a step or a note
	step  *sendoff.StepRecord // nil = a call or a note
	lines string              // that lead to it
	note  string
	below int // rows that are folded away
}

// treeView says which rows of a tree are shown. The zero value shows all.
type treeView struct {
	siblings int             // calls of one caller, the others are summed up; 0 = all
	folded   map[string]bool // keys of calls that are shown without what is below them
	failed   bool            // only what failed, with its callers
}

// rows is the tree from the oldest call to the newest. Where calls are summed
// up, those that did not succeed are left.
func (f *forest) rows(view treeView) []treeRow {
	below := map[string][]*Call{}
	keep := f.failing()
	for _, c := range f.calls {
		if view.failed && !keep[c.key] {
			continue
		}
		parent := c.Parent
		if f.calls[parent] == nil {
			parent = "" // its caller is not in view
		}
		below[parent] = append(below[parent], c)
	}
	for _, calls := range below {
		slices.SortFunc(calls, func(a, b *Call) int { return cmp.Compare(a.key, b.key) })
	}
	var rows []treeRow
	for _, c := range below[""] {
		rows = view.appendCall(rows, treeRow{call: c}, below, "")
	}
	return rows
}

// failing are the calls that failed, or have failed until now, and their callers.
func (f *forest) failing() map[string]bool {
	keep := map[string]bool{}
	for _, c := range f.calls {
		failed := c.State == sendoff.StateFailed || c.Err != "" || slices.ContainsFunc(c.steps.items, func(s sendoff.StepRecord) bool { return s.State == sendoff.StateFailed })
		for at := c; failed && at != nil && !keep[at.key]; at = f.calls[at.Parent] {
			keep[at.key] = true
		}
	}
	return keep
}

// appendCall adds a call and what is below it, unless that is folded.
func (v *treeView) appendCall(rows []treeRow, r treeRow, below map[string][]*Call, lead string) []treeRow {
	at := len(rows)
	rows = v.appendBelow(append(rows, r), r.call, below, lead)
	if v.folded[r.call.key] {
		rows[at].below = len(rows) - at - 1
		rows = rows[:at+1]
	}
	return rows
}

func (v *treeView) appendBelow(rows []treeRow, of *Call, below map[string][]*Call, lead string) []treeRow {
	shown, note := summed(below[of.key], v.siblings)
	if of.folded > 0 && !v.failed {
		note = strings.TrimPrefix(note+", "+term.Counted(of.folded, "earlier call")+" not shown", ", ")
	}
	children := inOrder(v.steps(of), shown)
	if first := of.steps.earlierNote(); first != "" && !v.failed {
		children = append([]treeRow{{note: first}}, children...)
	}
	if note != "" {
		children = append(children, treeRow{note: note})
	}
	for i, r := range children {
		branch, next := "├─ ", "│  "
		if i == len(children)-1 {
			branch, next = "└─ ", "   "
		}
		if r.lines = lead + branch; r.call != nil {
			rows = v.appendCall(rows, r, below, lead+next)
		} else {
			rows = append(rows, r)
		}
	}
	return rows
}

// steps are those of a call that are shown.
func (v *treeView) steps(of *Call) []sendoff.StepRecord {
	if !v.failed {
		return of.steps.items
	}
	var failed []sendoff.StepRecord
	for _, s := range of.steps.items {
		if s.State == sendoff.StateFailed {
			failed = append(failed, s)
		}
	}
	return failed
}

// inOrder are the steps and the calls of a function in the order in which it
// asked for them.
func inOrder(steps []sendoff.StepRecord, calls []*Call) []treeRow {
	rows := make([]treeRow, 0, len(steps)+len(calls))
	for i := range steps {
		for len(calls) > 0 && calls[0].made.Before(steps[i].StartedAt) {
			rows, calls = append(rows, treeRow{call: calls[0]}), calls[1:]
		}
		rows = append(rows, treeRow{step: &steps[i]})
	}
	for _, c := range calls {
		rows = append(rows, treeRow{call: c})
	}
	return rows
}

// summed leaves calls that succeeded out where there are too many.
func summed(calls []*Call, most int) (shown []*Call, note string) {
	if most <= 0 || len(calls) <= most {
		return calls, ""
	}
	left := 0
	for _, c := range calls {
		if len(shown) < most/2 || c.State != sendoff.StateSucceeded && len(shown) < most {
			shown = append(shown, c)
		} else {
			left++
		}
	}
	return shown, fmt.Sprintf("%d more calls", left)
}

// cells are the columns of a call after its name.
func (c *Call) cells(now time.Time) (attempt, took, status string) {
	attempt, took = "-", "-"
	if c.Attempt > 0 {
		attempt = strconv.Itoa(c.Attempt)
	}
	if !c.Began.IsZero() {
		took = term.Short(c.Took(now))
	}
	return attempt, took, c.Status(now)
}

// Status is the state for people: with the reason where that says more.
func (c *Call) Status(now time.Time) string {
	if c.earlier {
		return c.stateText(now) + ", of an earlier run"
	}
	return c.stateText(now)
}

func (c *Call) stateText(now time.Time) string {
	switch {
	case c.State == sendoff.StateScheduled && !c.Next.IsZero():
		return "scheduled in " + term.Short(max(c.Next.Sub(now), 0).Round(100*time.Millisecond))
	case c.Reason != "" && c.State != sendoff.StateSuspended && c.State != sendoff.StateReady && c.State != sendoff.StateRunning:
		return string(c.State) + " (" + c.Reason + ")"
	}
	return string(c.State)
}

// MaxName is the widest that the column of names becomes.
const MaxName = 60

// maxInput is how many characters of an input are shown in a row.
const maxInput = 28

// text is the name in a row, or its note.
func (r *treeRow) text() string {
	switch {
	case r.call != nil:
		return r.call.Name
	case r.step != nil:
		return stepText(r.step)
	}
	return r.note
}

// label is the name in a row of the live view: with the input of a call, and how
// much is folded away below it.
func (r *treeRow) label() string {
	text := r.text()
	if r.call != nil && r.call.input != "" {
		text += "(" + term.OneLine(r.call.input, maxInput) + ")"
	}
	if r.below > 0 {
		text += fmt.Sprintf(" [+%d]", r.below)
	}
	return text
}

// cells are the columns of a row after its name: the state for its color, and
// what came of it.
func (r *treeRow) cells(now time.Time) (attempt, took, status, state, end string) {
	if r.step != nil {
		attempt, took, status = stepCells(r.step, now)
		return attempt, took, status, status, StepEnd(r.step)
	}
	attempt, took, status = r.call.cells(now)
	return attempt, took, status, string(r.call.State), r.call.Err
}

// isNote tells whether the row is about several calls or steps.
func (r *treeRow) isNote() bool { return r.call == nil && r.step == nil }

// Print prints the calls as a tree.
func Print(t *term.Terminal, f *forest, siblings int, now time.Time) {
	rows := f.rows(treeView{siblings: siblings})
	names, width := make([]string, len(rows)), len("FUNCTION")
	for i := range rows {
		names[i] = rows[i].lines + term.OneLine(rows[i].text(), MaxName)
		if !rows[i].isNote() {
			width = max(width, term.Width(names[i]))
		}
	}
	t.Printf("%s  %7s  %8s  %s\n", term.Padded("FUNCTION", width), "ATTEMPT", "DURATION", "STATUS")
	for i := range rows {
		if rows[i].isNote() {
			t.Printf("%s\n", names[i])
			continue
		}
		attempt, took, status, state, end := rows[i].cells(now)
		line := fmt.Sprintf("%s  %7s  %8s  %s", term.Padded(names[i], width), attempt, took, t.Paint(state, status))
		if end != "" {
			line += "  " + term.OneLine(end, 120)
		}
		t.Printf("%s\n", line)
	}
}
