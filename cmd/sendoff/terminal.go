package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/mattn/go-isatty"

	"github.com/sendoff-dev/sendoff"
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

// report says what went wrong, and what to do about it, and returns the exit code.
func (t *terminal) report(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitError
	if e, ok := errors.AsType[*exit](err); ok {
		if code = e.code; e.err == nil {
			return code
		}
	}
	fmt.Fprintf(t.stderr, "sendoff: %s\n", explain(err))
	return code
}

// explain adds the fix where the error itself cannot know it.
func explain(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	if p, ok := errors.AsType[*sendoff.Problem](err); ok {
		if p.Status == 401 {
			return err.Error() + "\nset SENDOFF_API_KEY, or give --api-key"
		}
		return err.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		server := u.URL
		if parsed, err := url.Parse(u.URL); err == nil {
			server = parsed.Scheme + "://" + parsed.Host
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Sprintf("cannot connect to %s: connection refused\nis the server running? start it with: sendoff serve\nor name another one with --url or SENDOFF_URL", server)
		}
		return fmt.Sprintf("cannot reach %s: %s\ncheck --url or SENDOFF_URL", server, u.Err)
	}
	return err.Error()
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

// oneLine makes a text of others fit into a cell: no control characters, which
// could steer the terminal, and not longer than limit.
func oneLine(text string, limit int) string {
	text = clean(text)
	if r := []rune(text); len(r) > limit {
		return string(r[:limit-3]) + "..."
	}
	return text
}

// clean replaces line breaks and control characters.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
