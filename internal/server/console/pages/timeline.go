package pages

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// phase is a time of a task's life in which it was one thing.
type phase struct {
	from, to time.Time
	what     string // waiting, attempt, between
	attempt  *sendoff.Attempt
	leftOut  int64 // attempts within it that are not kept
}

// timeline is the life of a task as far as its attempts tell it.
type timeline []phase

// timelineOf has the phases of a task, oldest first; none before its first attempt.
func timelineOf(p *Task, now time.Time) (line timeline) {
	attempts := make([]*sendoff.Attempt, 0, len(p.Attempts))
	for i := range p.Attempts {
		if !p.Attempts[i].StartedAt.IsZero() {
			attempts = append(attempts, &p.Attempts[i])
		}
	}
	slices.SortStableFunc(attempts, func(a, b *sendoff.Attempt) int { return a.StartedAt.Compare(b.StartedAt) })
	at, what := p.Task.CreatedAt, "waiting"
	for i, a := range attempts {
		if i > 0 || !p.MoreAttempts {
			line = line.add(phase{from: at, to: a.StartedAt, what: what, leftOut: a.LeftOut})
		}
		at, what = endOf(a, now), "between"
		line = line.add(phase{from: a.StartedAt, to: at, what: "attempt", attempt: a})
	}
	if len(line) > 0 && !p.Task.Final() && !p.MoreAttempts {
		line = line.add(phase{from: at, to: now, what: what})
	}
	return line
}

// add appends a phase. An attempt is one however short; of others those that took no time
// are left out.
func (l timeline) add(p phase) timeline {
	if p.to.After(p.from) || p.attempt != nil {
		return append(l, p)
	}
	return l
}

func endOf(a *sendoff.Attempt, now time.Time) time.Time {
	switch {
	case a.Running():
		return now
	case a.FinishedAt.IsZero():
		return a.StartedAt.Add(a.Duration)
	}
	return a.FinishedAt
}

// words say what a phase is.
func (p *phase) words() string {
	switch {
	case p.attempt != nil:
		return fmt.Sprintf("attempt %d: %s", p.attempt.Number, p.attempt.Outcome)
	case p.leftOut > 0:
		return fmt.Sprintf("%s attempts that are not kept", number(p.leftOut))
	case p.what == "between":
		return "between attempts"
	}
	return "waiting for its first attempt"
}

func (p *phase) class() string {
	if p.attempt == nil {
		return "p-" + p.what
	}
	switch p.attempt.Outcome {
	case "success", "suspend", "continue":
		return "p-good"
	case "running":
		return "p-busy"
	}
	return "p-bad"
}

// anchor is the place of an attempt on its page.
func anchor(a *sendoff.Attempt) string { return fmt.Sprintf("attempt-%d-%d", a.Run, a.Number) }

// length is how long all of it took.
func (l timeline) length() time.Duration { return l[len(l)-1].to.Sub(l[0].from) }

// The size of a drawing of phases, and the least width of one.
const (
	timelineWidth = 600.0
	leastWide     = 2.0
)

// box is where a phase is drawn: its left side and its width.
func (l timeline) box(i int) (x, wide string) {
	whole := max(l.length().Seconds(), 1e-6)
	from := l[i].from.Sub(l[0].from).Seconds() / whole * timelineWidth
	w := max(l[i].to.Sub(l[i].from).Seconds()/whole*timelineWidth, leastWide)
	from = min(from, timelineWidth-w)
	return fmt.Sprintf("%.1f", from), fmt.Sprintf("%.1f", w)
}

// words say what the drawing shows.
func (l timeline) words() string {
	spent := map[string]time.Duration{}
	for i := range l {
		spent[l[i].what] += l[i].to.Sub(l[i].from)
	}
	var parts []string
	for _, of := range [][2]string{{"waiting", "waited"}, {"attempt", "at work"}, {"between", "between attempts"}} {
		if d, ok := spent[of[0]]; ok {
			parts = append(parts, of[1]+" "+span(d))
		}
	}
	return strings.Join(parts, ", ")
}
