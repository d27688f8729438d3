package dev

import (
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/screen"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// liveRun shows a run on a terminal, with the lines of the app below its calls.
type liveRun struct {
	live *calltree.Live
	t    *term.Terminal
	s    *session
}

func newLiveRun(t *term.Terminal, s *session) *liveRun {
	v := &liveRun{t: t, s: s}
	v.live = calltree.NewLive(t, s.feed, v.empty, func() bool { return s.quit })
	return v
}

func (v *liveRun) start() {
	v.live.Enter()
	for _, line := range v.s.intro() {
		v.log(logLine{"sendoff", "stdout", line})
	}
	v.tick(time.Now())
}

// empty is shown while there are no calls.
func (v *liveRun) empty() []string {
	lines := []string{"no calls yet", ""}
	if v.s.c.forURL() {
		lines = append(lines, "Set these where your app is started:")
		lines = append(lines, exports(v.s.variables())...)
	}
	return lines
}

func (v *liveRun) log(l logLine)            { v.live.Log(l.source + " | " + l.text) }
func (v *liveRun) call(_, _ *calltree.Call) {}
func (v *liveRun) tick(now time.Time)       { v.live.Tick(now) }
func (v *liveRun) keys() <-chan screen.Key  { return v.live.Keys() }
func (v *liveRun) press(k screen.Key) bool  { return v.live.Press(k) }
func (v *liveRun) stays(how string) bool    { return v.live.Stays(how) }
func (v *liveRun) leave()                   { v.live.Leave() }

func (v *liveRun) close(end runEnd) {
	v.live.Close()
	(&plainView{t: v.t, s: v.s}).close(end)
}
