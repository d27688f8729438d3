package pages

import (
	"fmt"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// axis is a span of time as it is drawn: what is long and empty is folded.
type axis struct {
	parts []part
	width float64 // of all parts together
}

// part is a piece of an axis.
type part struct {
	from, to time.Time
	at, wide float64 // where it begins, and how much of the width it has
	folded   bool
}

// Of a time in which nothing began or ended, from what share of the whole on it is folded
// and how long it has to be, and what share of the rest it is drawn with.
const (
	foldFrom  = 0.1
	leastFold = 5 * time.Second
	foldedTo  = 0.05
)

// axisOf is the time from the first call to the last end. Folded is where no call was at
// work and nothing began or ended.
func axisOf(list []*sendoff.Task, now time.Time) *axis {
	var events []time.Time
	for _, t := range list {
		_, to := lifeOf(t, now)
		events = append(events, t.CreatedAt, to)
		if !t.StartedAt.IsZero() {
			events = append(events, t.StartedAt)
		}
	}
	slices.SortFunc(events, time.Time.Compare)
	events = slices.CompactFunc(events, time.Time.Equal)
	a := &axis{}
	whole := max(events[len(events)-1].Sub(events[0]).Seconds(), 1e-6)
	drawn := 0.0
	for i := 1; i < len(events); i++ {
		p := part{from: events[i-1], to: events[i], wide: events[i].Sub(events[i-1]).Seconds()}
		p.folded = p.wide > max(foldFrom*whole, leastFold.Seconds()) && !anyAtWork(list, p.from, p.to, now)
		if !p.folded {
			drawn += p.wide
		}
		a.parts = append(a.parts, p)
	}
	for i := range a.parts {
		p := &a.parts[i]
		if p.folded {
			p.wide = max(foldedTo*drawn, 1e-6)
		}
		p.at = a.width
		a.width += p.wide
	}
	return a
}

// lifeOf is when a call was made, and when it ended, or now.
func lifeOf(t *sendoff.Task, now time.Time) (from, to time.Time) {
	if to = now; !t.FinishedAt.IsZero() {
		to = t.FinishedAt
	}
	if to.Before(t.CreatedAt) {
		to = t.CreatedAt
	}
	return t.CreatedAt, to
}

// anyAtWork tells whether an attempt of a call was under way all the time.
func anyAtWork(list []*sendoff.Task, from, to, now time.Time) bool {
	return slices.ContainsFunc(list, func(t *sendoff.Task) bool {
		_, end := lifeOf(t, now)
		return !t.StartedAt.IsZero() && (t.Final() || t.State == sendoff.StateRunning) && !t.StartedAt.After(from) && !end.Before(to)
	})
}

// x is where a time is drawn.
func (a *axis) x(t time.Time) float64 {
	if a.width == 0 {
		return 0
	}
	for i := range a.parts {
		p := &a.parts[i]
		if t.After(p.to) {
			continue
		}
		within := max(t.Sub(p.from).Seconds(), 0) / max(p.to.Sub(p.from).Seconds(), 1e-9)
		return (p.at + within*p.wide) / a.width * timelineWidth
	}
	return timelineWidth
}

// bar is a piece of a call as it is drawn.
type bar struct {
	class, words, x, wide string
}

// bars are how a call spent its time: until its last attempt began, and that one.
func (a *axis) bars(t *sendoff.Task, now time.Time) (list []bar) {
	from, to := lifeOf(t, now)
	began := t.StartedAt
	if began.IsZero() || began.After(to) {
		began = to
	}
	before := "waited, or earlier attempts"
	if t.Kind == "function" {
		before = "waited for others, or earlier runs of its code"
	}
	list = a.bar(list, "p-waiting", before, from, began)
	switch t.State {
	case sendoff.StateSucceeded:
		return a.bar(list, "p-good", "last attempt", began, to)
	case sendoff.StateFailed, sendoff.StateCanceled:
		return a.bar(list, "p-bad", "last attempt", began, to)
	case sendoff.StateRunning:
		return a.bar(list, "p-busy", "running", began, to)
	}
	return a.bar(list, "p-between", string(t.State), began, to)
}

func (a *axis) bar(list []bar, class, words string, from, to time.Time) []bar {
	if !to.After(from) {
		return list
	}
	x := a.x(from)
	wide := max(a.x(to)-x, leastWide)
	x = min(x, timelineWidth-wide)
	return append(list, bar{class, words + ", " + span(to.Sub(from)), fmt.Sprintf("%.1f", x), fmt.Sprintf("%.1f", wide)})
}

// folds are the places where time is left out, and a line that says how much it is.
func (a *axis) folds() (at []bar, words string) {
	var out time.Duration
	for i := range a.parts {
		if p := &a.parts[i]; p.folded {
			out += p.to.Sub(p.from)
			at = append(at, bar{x: fmt.Sprintf("%.1f", p.at/a.width*timelineWidth), wide: fmt.Sprintf("%.1f", p.wide/a.width*timelineWidth)})
		}
	}
	if out > 0 {
		words = "Where the ground is grey, " + span(out) + " are left out in which no call began or ended."
	}
	return at, words
}

// length is how long all of it took.
func (a *axis) length() time.Duration {
	if len(a.parts) == 0 {
		return 0
	}
	return a.parts[len(a.parts)-1].to.Sub(a.parts[0].from)
}

// callsOf are the calls of rows.
func callsOf(rows []treeRow) (list []*sendoff.Task) {
	for i := range rows {
		if rows[i].call != nil {
			list = append(list, rows[i].call)
		}
	}
	return list
}
