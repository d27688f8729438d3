package main

import "time"

// liveRun shows a run on a terminal, with the lines of the app below its calls.
type liveRun struct {
	live *liveView
	t    *terminal
	s    *session
}

func newLiveRun(t *terminal, s *session) *liveRun {
	v := &liveRun{t: t, s: s}
	v.live = newLiveView(t, s.feed, v.empty, func() bool { return s.quit })
	return v
}

func (v *liveRun) start() {
	v.live.enter()
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

func (v *liveRun) log(l logLine)         { v.live.log(l.source + " | " + l.text) }
func (v *liveRun) call(_, _ *call)       {}
func (v *liveRun) tick(now time.Time)    { v.live.tick(now) }
func (v *liveRun) keys() <-chan key      { return v.live.keys() }
func (v *liveRun) press(k key) bool      { return v.live.press(k) }
func (v *liveRun) stays(how string) bool { return v.live.stays(how) }
func (v *liveRun) leave()                { v.live.leave() }

func (v *liveRun) close(end runEnd) {
	v.live.close()
	(&plainView{t: v.t, s: v.s}).close(end)
}
