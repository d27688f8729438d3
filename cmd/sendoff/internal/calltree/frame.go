package calltree

import (
	"fmt"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// What the live view shows.
type screenMode int

const (
	treeScreen screenMode = iota
	logScreen
	detailScreen
)

// frame is all that one picture of the live view is made of. It is a value:
// what is drawn depends on nothing else.
type frame struct {
	columns, lines int
	now            time.Time
	mode           screenMode
	rows           []treeRow
	top            int // first row of the tree in view
	selected       int // row; -1 = none
	logs           []string
	back           int // lines of the log below the last one in view
	detail         []string
	detailTop      int
	intro          []string // while there are no calls
	status         string
	keys           string // what the keys do; shown where there is room
	paint          func(word, text string) string
	reverse        func(text string) string
}

const minLogPane = 14 // lines of a screen that has room for logs below the tree

// split divides the lines of the tree screen: those of the tree, and those of
// the log below it.
func (f *frame) split() (tree, logs int) {
	body := max(f.lines-1-f.bars(), 1) // without the head
	if f.lines < minLogPane || len(f.logs) == 0 {
		return body, 0
	}
	logs = min(body/3, len(f.logs))
	return body - logs - 1, logs
}

// draw returns the lines of the screen, none wider than it.
func (f *frame) draw() []string {
	var out []string
	switch f.mode {
	case logScreen:
		out = append(out, f.head("LOGS"))
		out = append(out, f.logLines(f.lines-1-f.bars(), f.back)...)
	case detailScreen:
		out = append(out, f.detailLines()...)
	default:
		out = f.drawTree()
	}
	body := max(f.lines-f.bars(), 0)
	for len(out) < body {
		out = append(out, "")
	}
	out = append(out[:body], f.reverse(term.Padded(" "+f.status, f.columns)))
	if f.bars() > 1 {
		out = append(out, f.paint("rule", term.Cut(" "+f.keys, f.columns)))
	}
	return out
}

// bars are the lines below the picture: the status, and the keys.
func (f *frame) bars() int {
	if f.keys != "" && f.lines >= minKeyBar {
		return 2
	}
	return 1
}

const minKeyBar = 10 // lines of a screen that has room for what the keys do

func (f *frame) head(text string) string { return f.paint("head", term.Cut(text, f.columns)) }

func (f *frame) detailLines() []string {
	var all []string
	for _, line := range f.detail {
		all = append(all, term.Wrapped(line, f.columns)...)
	}
	all = all[max(min(f.detailTop, len(all)-1), 0):]
	return all[:min(len(all), max(f.lines-f.bars(), 0))]
}

func (f *frame) logLines(n, back int) []string {
	end := max(len(f.logs)-back, 0)
	var out []string
	for _, line := range f.logs[max(end-max(n, 0), 0):end] {
		out = append(out, term.Cut(line, f.columns))
	}
	return out
}

func (f *frame) drawTree() []string {
	tree, logs := f.split()
	width := f.nameWidth()
	out := []string{f.head(fmt.Sprintf("  %s  %7s  %8s  %s", term.Padded("FUNCTION", width), "ATTEMPT", "DURATION", "STATUS"))}
	if len(f.rows) == 0 {
		for _, line := range f.intro {
			out = append(out, term.Cut("  "+line, f.columns))
		}
	}
	for i := f.top; i < len(f.rows) && i < f.top+tree; i++ {
		out = append(out, f.treeLine(i, width))
	}
	for len(out) < tree+1 {
		out = append(out, "")
	}
	out = out[:tree+1]
	if logs > 0 {
		out = append(out, f.paint("rule", strings.Repeat("─", f.columns)))
		out = append(out, f.logLines(logs, 0)...)
	}
	return out
}

// nameWidth gives the names what they need, while half of the screen is left
// for the rest.
func (f *frame) nameWidth() int {
	width := len("FUNCTION")
	for i := f.top; i < len(f.rows) && i < f.top+f.lines; i++ {
		if r := &f.rows[i]; !r.isNote() {
			width = max(width, term.Width(r.lines)+term.Width(r.label()))
		}
	}
	return min(width, max(f.columns/2, 12))
}

func (f *frame) treeLine(i, width int) string {
	r, mark := &f.rows[i], "  "
	if i == f.selected {
		mark = "> "
	}
	if r.isNote() {
		return term.Cut(mark+r.lines+r.note, f.columns)
	}
	attempt, took, status, state, end := r.cells(f.now)
	left := fmt.Sprintf("%s%s  %7s  %8s  ", mark, term.Padded(r.lines+term.Clean(r.label()), width), attempt, took)
	right := status
	if end != "" {
		right += "  " + term.Clean(end)
	}
	if room := f.columns - term.Width(left); room < 1 {
		return term.Cut(left, f.columns)
	} else if right = term.Cut(right, room); len(right) >= len(status) {
		right = f.paint(state, right[:len(status)]) + right[len(status):]
	}
	return left + right
}
