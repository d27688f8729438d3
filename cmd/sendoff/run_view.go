package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

// newView chooses how a run is shown.
func (s *session) newView(t *terminal, out io.Writer) runView {
	if s.c.JSON {
		return newJSONView(s, t.stdout)
	}
	if t.live && !s.c.Plain && isatty.IsTerminal(os.Stdin.Fd()) {
		return newLiveRun(t, s)
	}
	to := *t
	to.stdout = out
	return &plainView{t: &to, stderr: t.stderr, s: s}
}

// quietView shows nothing.
type quietView struct{}

func (quietView) start()            {}
func (quietView) log(logLine)       {}
func (quietView) call(_, _ *call)   {}
func (quietView) tick(time.Time)    {}
func (quietView) keys() <-chan key  { return nil }
func (quietView) press(key) bool    { return false }
func (quietView) stays(string) bool { return false }
func (quietView) leave()            {}
func (quietView) close(runEnd)      {}

// plainView prints a line for what happens, and the tree at the end.
type plainView struct {
	quietView
	t      *terminal
	stderr io.Writer
	s      *session
}

func (v *plainView) say(at time.Time, format string, args ...any) {
	v.t.printf("%s  %s\n", at.Format(timeOfDay), fmt.Sprintf(format, args...))
}

func (v *plainView) start() {
	for _, line := range v.s.intro() {
		v.say(time.Now(), "%s", line)
	}
	for _, c := range v.s.feed.forest.sorted() {
		v.call(nil, c)
	}
}

func (v *plainView) log(l logLine) {
	out := v.t.stdout
	if l.stream == "stderr" {
		out = v.stderr
	}
	fmt.Fprintf(out, "%s | %s\n", l.source, l.text)
}

func (v *plainView) call(was, is *call) {
	if !worthALine(was, is) {
		return
	}
	status := padded(is.status(time.Now()), 18)
	line := fmt.Sprintf("%s  %s", padded(oneLine(is.name, maxName), 28), v.t.paint(is.state, status))
	switch {
	case is.final():
		line += "  " + short(is.took(time.Now()))
		if is.attempt > 1 {
			line += fmt.Sprintf(", %d attempts", is.attempt)
		}
	case is.attempt > 1:
		line += fmt.Sprintf("  attempt %d", is.attempt)
	}
	if is.err != "" {
		line += "  " + oneLine(is.err, 160)
	}
	v.say(is.changed(), "%s", strings.TrimRight(line, " "))
}

// worthALine tells whether a change is shown as a line: that a function waits
// for its calls, and goes on, is not.
func worthALine(was, is *call) bool {
	switch {
	case was == nil:
		return true
	case is.final(), is.state == "scheduled", is.state == "blocked":
		return was.state != is.state || was.trips != is.trips
	case is.state == "running":
		return was.state == "scheduled" || was.trips == 0
	}
	return was.final()
}

func (v *plainView) close(end runEnd) {
	f := v.s.feed.forest
	if f.total > 0 {
		v.t.printf("\n")
		printTree(v.t, f, 50, time.Now())
	}
	v.t.printf("\n")
	for _, line := range v.s.farewell(end) {
		v.t.printf("%s\n", line)
	}
}

// intro says what was started.
func (s *session) intro() []string {
	db := "calls are gone at the end: keep them with --db FILE"
	if s.kept {
		db = "calls are kept in " + redacted(s.c.DB)
	}
	lines := []string{fmt.Sprintf("server %s, app %s", s.server.url(), s.endpoint), db}
	if n := s.feed.forest.open(); n > 0 {
		lines = append(lines, fmt.Sprintf("%s of an earlier run go on", counted(n, "call")))
	}
	for _, endpoint := range s.lost {
		lines = append(lines, fmt.Sprintf("calls of an earlier run wait for an app at %s, which is not this one", endpoint))
	}
	return lines
}

// farewell says how it ended.
func (s *session) farewell(end runEnd) (lines []string) {
	f := s.feed.forest
	line := counted(f.total, "call")
	for _, state := range []string{"succeeded", "failed", "canceled"} {
		if n := f.ended[state]; n > 0 {
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
		lines = append(lines, "The unfinished calls go on when you run it again with --db "+redacted(s.c.DB)+".")
	case end.unfinished > 0:
		lines = append(lines, "The unfinished calls are gone with the temporary database: to go on in another run, keep them with --db FILE.")
	}
	return lines
}
