package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// terminal is where a command prints. Colour and redrawing are for a terminal
// only; a pipe gets the same tables without them.
type terminal struct {
	stdout, stderr io.Writer
	live           bool // stdout is a terminal
	colour         bool
}

func newTerminal(stdout, stderr io.Writer) *terminal {
	t := &terminal{stdout: stdout, stderr: stderr}
	if f, ok := stdout.(*os.File); ok {
		t.live = isatty.IsTerminal(f.Fd()) && os.Getenv("TERM") != "dumb"
	}
	t.colour = t.live && os.Getenv("NO_COLOR") == ""
	return t
}

func (t *terminal) printf(format string, args ...any) { fmt.Fprintf(t.stdout, format, args...) }

// json prints a value, indented on a terminal, one line in a pipe.
func (t *terminal) json(v any) error {
	e := json.NewEncoder(t.stdout)
	e.SetEscapeHTML(false)
	if t.live {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

var colours = map[string]string{
	"succeeded": "32", "success": "32", "failed": "31", "failure": "31", "reject": "31", "crash": "31",
	"running": "36", "ready": "34", "scheduled": "33", "throttle": "33", "canceled": "90", "paused": "33",
	"suspended": "90", "blocked": "90", "head": "1", "rule": "90",
}

// paint colours the word for a state or an outcome.
func (t *terminal) paint(word, text string) string {
	code := colours[word]
	if !t.colour || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// table prints rows under a head, columns as wide as their widest cell. Words
// that name a state are coloured.
func (t *terminal) table(head []string, rows [][]string) {
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

func (t *terminal) row(cells []string, width []int, paint bool) {
	var b strings.Builder
	for i, cell := range cells {
		pad := strings.Repeat(" ", width[i]-len([]rune(cell)))
		if paint {
			cell = t.paint(cell, cell)
		}
		b.WriteString(cell)
		if i < len(cells)-1 {
			b.WriteString(pad + "  ")
		}
	}
	t.printf("%s\n", strings.TrimRight(b.String(), " "))
}
