// Package term is how commands speak to people: tables, colours, JSON, the words
// for tasks and their attempts, and how a command ends. It knows what a client
// knows of a task, and neither commands nor servers.
package term

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// Terminal is where a command prints. Colour and redrawing are for a terminal
// only; a pipe gets the same tables without them.
type Terminal struct {
	Stdout, Stderr io.Writer
	Live           bool // stdout is a terminal
	colour         bool
}

// New returns a terminal over the outputs of a program; stdout decides whether it
// is one.
func New(stdout, stderr io.Writer) *Terminal {
	t := &Terminal{Stdout: stdout, Stderr: stderr}
	if f, ok := stdout.(*os.File); ok {
		t.Live = IsTerminal(f) && os.Getenv("TERM") != "dumb"
	}
	t.colour = t.Live && os.Getenv("NO_COLOR") == ""
	return t
}

// To is the same terminal with another place to print to.
func (t *Terminal) To(w io.Writer) *Terminal {
	other := *t
	other.Stdout = w
	return &other
}

// Printf prints to stdout.
func (t *Terminal) Printf(format string, args ...any) { fmt.Fprintf(t.Stdout, format, args...) }

// JSON prints a value, indented on a terminal, one line in a pipe.
func (t *Terminal) JSON(v any) error {
	e := json.NewEncoder(t.Stdout)
	e.SetEscapeHTML(false)
	if t.Live {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

var colours = map[string]string{
	"succeeded": "32", "success": "32", "failed": "31", "failure": "31", "reject": "31", "crash": "31",
	"running": "36", "ready": "34", "scheduled": "33", "throttle": "33", "canceled": "90", "paused": "33",
	"suspended": "90", "blocked": "90", "head": "1", "rule": "90",
}

// Paint colours the word for a state or an outcome.
func (t *Terminal) Paint(word, text string) string {
	code := colours[word]
	if !t.colour || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Table prints rows under a head, columns as wide as their widest cell. Words
// that name a state are coloured.
func (t *Terminal) Table(head []string, rows [][]string) {
	width := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	t.row(head, width, false)
	for _, row := range rows {
		t.row(row, width, true)
	}
}

func (t *Terminal) row(cells []string, width []int, paint bool) {
	var b strings.Builder
	for i, cell := range cells {
		pad := strings.Repeat(" ", width[i]-len([]rune(cell)))
		if paint {
			cell = t.Paint(cell, cell)
		}
		b.WriteString(cell)
		if i < len(cells)-1 {
			b.WriteString(pad + "  ")
		}
	}
	t.Printf("%s\n", strings.TrimRight(b.String(), " "))
}

// IsTerminal tells whether people read what is written to a file.
func IsTerminal(f *os.File) bool { return isatty.IsTerminal(f.Fd()) }
