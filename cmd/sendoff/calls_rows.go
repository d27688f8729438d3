package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// treeRow is a line of the tree: a call, a step of one, or a note about several.
type treeRow struct {
	call  *call               // nil = a step or a note
	step  *sendoff.StepRecord // nil = a call or a note
	lines string              // that lead to it
	note  string
}

// rows is the tree from the oldest call to the newest. More than siblings calls
// of one caller are summed up, except for those that did not succeed; 0 = all
// are shown.
func (f *forest) rows(siblings int) []treeRow {
	below := map[string][]*call{}
	for _, c := range f.calls {
		parent := c.parent
		if f.calls[parent] == nil {
			parent = "" // its caller is not in view
		}
		below[parent] = append(below[parent], c)
	}
	for _, calls := range below {
		slices.SortFunc(calls, func(a, b *call) int { return cmp.Compare(a.key, b.key) })
	}
	var rows []treeRow
	for _, c := range below[""] {
		rows = append(rows, treeRow{call: c})
		rows = appendBelow(rows, c, below, "", siblings)
	}
	return rows
}

func appendBelow(rows []treeRow, of *call, below map[string][]*call, lead string, siblings int) []treeRow {
	shown, note := summed(below[of.key], siblings)
	if of.folded > 0 {
		note = strings.TrimPrefix(note+", "+counted(of.folded, "earlier call")+" not shown", ", ")
	}
	children := inOrder(of.steps.items, shown)
	if first := of.steps.earlierNote(); first != "" {
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
		r.lines = lead + branch
		rows = append(rows, r)
		if r.call != nil {
			rows = appendBelow(rows, r.call, below, lead+next, siblings)
		}
	}
	return rows
}

// inOrder are the steps and the calls of a function in the order in which it
// asked for them.
func inOrder(steps []sendoff.StepRecord, calls []*call) []treeRow {
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
func summed(calls []*call, most int) (shown []*call, note string) {
	if most <= 0 || len(calls) <= most {
		return calls, ""
	}
	left := 0
	for _, c := range calls {
		if len(shown) < most/2 || c.state != "succeeded" && len(shown) < most {
			shown = append(shown, c)
		} else {
			left++
		}
	}
	return shown, fmt.Sprintf("%d more calls", left)
}

// cells are the columns of a call after its name.
func (c *call) cells(now time.Time) (attempt, took, status string) {
	attempt, took = "-", "-"
	if c.attempt > 0 {
		attempt = strconv.Itoa(c.attempt)
	}
	if !c.began.IsZero() {
		took = short(c.took(now))
	}
	return attempt, took, c.status(now)
}

// status is the state for people: with the reason where that says more.
func (c *call) status(now time.Time) string {
	switch {
	case c.state == "scheduled" && !c.next.IsZero():
		return "scheduled in " + short(max(c.next.Sub(now), 0).Round(100*time.Millisecond))
	case c.reason != "" && c.state != "suspended" && c.state != "ready" && c.state != "running":
		return c.state + " (" + c.reason + ")"
	}
	return c.state
}

// maxName is the widest that the column of names becomes.
const maxName = 60

// text is the name in a row, or its note.
func (r *treeRow) text() string {
	switch {
	case r.call != nil:
		return r.call.name
	case r.step != nil:
		return stepText(r.step)
	}
	return r.note
}

// cells are the columns of a row after its name: the state for its color, and
// what came of it.
func (r *treeRow) cells(now time.Time) (attempt, took, status, state, end string) {
	if r.step != nil {
		attempt, took, status = stepCells(r.step, now)
		return attempt, took, status, status, stepEnd(r.step)
	}
	attempt, took, status = r.call.cells(now)
	return attempt, took, status, r.call.state, r.call.err
}

// isNote tells whether the row is about several calls or steps.
func (r *treeRow) isNote() bool { return r.call == nil && r.step == nil }

// printTree prints the calls as a tree.
func printTree(t *terminal, f *forest, siblings int, now time.Time) {
	rows := f.rows(siblings)
	names, width := make([]string, len(rows)), len("FUNCTION")
	for i := range rows {
		names[i] = rows[i].lines + oneLine(rows[i].text(), maxName)
		if !rows[i].isNote() {
			width = max(width, textWidth(names[i]))
		}
	}
	t.printf("%s  %7s  %8s  %s\n", padded("FUNCTION", width), "ATTEMPT", "DURATION", "STATUS")
	for i := range rows {
		if rows[i].isNote() {
			t.printf("%s\n", names[i])
			continue
		}
		attempt, took, status, state, end := rows[i].cells(now)
		line := fmt.Sprintf("%s  %7s  %8s  %s", padded(names[i], width), attempt, took, t.paint(state, status))
		if end != "" {
			line += "  " + oneLine(end, 120)
		}
		t.printf("%s\n", line)
	}
}
