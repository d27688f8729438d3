package dev

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/screen"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// quietView shows nothing.
type quietView struct{}

func (quietView) start()                   {}
func (quietView) log(logLine)              {}
func (quietView) call(_, _ *calltree.Call) {}
func (quietView) tick(time.Time)           {}
func (quietView) keys() <-chan screen.Key  { return nil }
func (quietView) press(screen.Key) bool    { return false }
func (quietView) stays(string) bool        { return false }
func (quietView) leave()                   {}
func (quietView) close(runEnd)             {}

// plainView prints a line for what happens, and the tree at the end.
type plainView struct {
	quietView
	t      *term.Terminal
	stderr io.Writer
	s      *session
}

func (v *plainView) say(at time.Time, format string, args ...any) {
	v.t.Printf("%s  %s\n", at.Format(term.TimeOfDay), fmt.Sprintf(format, args...))
}

func (v *plainView) start() {
	for _, line := range v.s.intro() {
		v.say(time.Now(), "%s", line)
	}
	for _, c := range v.s.feed.Forest.Sorted() {
		v.call(nil, c)
	}
}

func (v *plainView) log(l logLine) {
	out := v.t.Stdout
	if l.stream == "stderr" {
		out = v.stderr
	}
	fmt.Fprintf(out, "%s | %s\n", l.source, l.text)
}

func (v *plainView) call(was, is *calltree.Call) {
	if !worthALine(was, is) {
		return
	}
	status := term.Padded(is.Status(time.Now()), 18)
	line := fmt.Sprintf("%s  %s", term.Padded(term.OneLine(is.Name, calltree.MaxName), 28), v.t.Paint(string(is.State), status))
	switch {
	case is.Final():
		line += "  " + term.Short(is.Took(time.Now()))
		if is.Attempt > 1 {
			line += fmt.Sprintf(", %d attempts", is.Attempt)
		}
	case is.Attempt > 1:
		line += fmt.Sprintf("  attempt %d", is.Attempt)
	}
	if is.Err != "" {
		line += "  " + term.OneLine(is.Err, 160)
	}
	v.say(is.Changed(), "%s", strings.TrimRight(line, " "))
}

// worthALine tells whether a change is shown as a line: that a function waits
// for its calls, and goes on, is not.
func worthALine(was, is *calltree.Call) bool {
	switch {
	case was == nil:
		return true
	case is.Final(), is.State == sendoff.StateScheduled, is.State == sendoff.StateBlocked:
		return was.State != is.State || was.Trips != is.Trips
	case is.State == sendoff.StateRunning:
		return was.State == sendoff.StateScheduled || was.Trips == 0
	}
	return was.Final()
}

func (v *plainView) close(end runEnd) {
	f := v.s.feed.Forest
	if f.Total > 0 {
		v.t.Printf("\n")
		calltree.Print(v.t, f, 50, time.Now())
	}
	v.t.Printf("\n")
	for _, line := range v.s.farewell(end) {
		v.t.Printf("%s\n", line)
	}
}

// intro says what was started.
func (s *session) intro() []string {
	db := "calls are gone at the end: keep them with --db FILE"
	if s.kept {
		db = "calls are kept in " + host.Redacted(s.c.DB)
	}
	lines := []string{fmt.Sprintf("server %s, app %s", s.server.URL(), s.endpoint), db}
	if n := s.feed.Forest.Open(); n > 0 {
		lines = append(lines, fmt.Sprintf("%s of an earlier run go on", term.Counted(n, "call")))
	}
	for _, endpoint := range s.lost {
		lines = append(lines, fmt.Sprintf("calls of an earlier run wait for an app at %s, which is not this one", endpoint))
	}
	return lines
}

// farewell says how it ended.
func (s *session) farewell(end runEnd) (lines []string) {
	f := s.feed.Forest
	line := term.Counted(f.Total, "call")
	for _, state := range []sendoff.State{sendoff.StateSucceeded, sendoff.StateFailed, sendoff.StateCanceled} {
		if n := f.Ended[state]; n > 0 {
			line += fmt.Sprintf(", %d %s", n, state)
		}
	}
	if end.unfinished > 0 {
		line += fmt.Sprintf(", %d unfinished", end.unfinished)
	}
	if end.cause != "" {
		line += "; the command " + end.cause
	}
	lines = append(lines, line)
	switch {
	case end.unfinished > 0 && s.kept:
		lines = append(lines, "The unfinished calls go on when you run it again with --db "+host.Redacted(s.c.DB)+".")
	case end.unfinished > 0:
		lines = append(lines, "The unfinished calls are gone with the temporary database: to go on in another run, keep them with --db FILE.")
	}
	return lines
}
