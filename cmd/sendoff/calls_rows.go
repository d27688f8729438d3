package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// treeRow is a line of the tree: a call, or a note about several.
type treeRow struct {
	call  *call  // nil = a note
	lines string // that lead to it
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
	for i, c := range shown {
		branch, next := "├─ ", "│  "
		if i == len(shown)-1 && note == "" {
			branch, next = "└─ ", "   "
		}
		rows = append(rows, treeRow{call: c, lines: lead + branch})
		rows = appendBelow(rows, c, below, lead+next, siblings)
	}
	if note != "" {
		rows = append(rows, treeRow{lines: lead + "└─ ", note: note})
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

// printTree prints the calls as a tree.
func printTree(t *terminal, f *forest, siblings int, now time.Time) {
	rows := f.rows(siblings)
	names, width := make([]string, len(rows)), len("FUNCTION")
	for i, r := range rows {
		names[i] = r.lines + oneLine(r.note, maxName)
		if r.call != nil {
			names[i] = r.lines + oneLine(r.call.name, maxName)
			width = max(width, textWidth(names[i]))
		}
	}
	t.printf("%s  %7s  %8s  %s\n", padded("FUNCTION", width), "ATTEMPT", "DURATION", "STATUS")
	for i, r := range rows {
		if r.call == nil {
			t.printf("%s\n", names[i])
			continue
		}
		attempt, took, status := r.call.cells(now)
		line := fmt.Sprintf("%s  %7s  %8s  %s", padded(names[i], width), attempt, took, t.paint(r.call.state, status))
		if r.call.err != "" {
			line += "  " + oneLine(r.call.err, 120)
		}
		t.printf("%s\n", line)
	}
}
