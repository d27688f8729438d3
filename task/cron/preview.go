package cron

import (
	"fmt"
	"time"
)

// Fire is one time at which a schedule is due.
type Fire struct {
	At   time.Time // in the zone of the schedule
	Note string    // what a change of clocks has to do with it; "" for nothing
}

// Preview is the first n times after one at which the schedule is due, fewer when it
// is over.
func (s *Schedule) Preview(after time.Time, n int) []Fire {
	var fires []Fire
	for len(fires) < n {
		at, ok := s.Next(after)
		if !ok {
			break
		}
		if len(fires) == 0 {
			after = at
		}
		fires = append(fires, Fire{at, s.note(after, at)})
		after = at
	}
	return fires
}

// note says what a change of clocks did to a time, and to the distance from the one
// before.
func (s *Schedule) note(before, at time.Time) string {
	if e, ok := s.due.(*Expr); ok {
		if n := e.note(at); n != "" {
			return n
		}
	}
	_, was := before.Zone()
	_, is := at.Zone()
	switch {
	case is > was:
		return fmt.Sprintf("clocks went forward by %s since the one before", short(is-was))
	case is < was:
		return fmt.Sprintf("clocks went back by %s since the one before", short(was-is))
	}
	return ""
}

// note says how a time was moved, or is one of two.
func (e *Expr) note(at time.Time) string {
	p := periodAt(at.Unix(), e.zone)
	before, after := periodAt(p.start-1, e.zone), periodAt(p.end, e.zone)
	shows := at.Unix() + p.offset
	switch {
	case !e.wildHour && at.Unix() == p.start && before.offset < p.offset:
		if skipped, _ := e.reading(ceilDiv(p.start+before.offset, 60)); skipped*60 < shows {
			return fmt.Sprintf("%s does not exist: clocks go forward from %s to %s",
				clock(skipped*60), clock(p.start+before.offset), clock(shows))
		}
	case shows >= p.end+after.offset && e.wildHour:
		return clock(shows) + " comes twice: the first time"
	case shows >= p.end+after.offset:
		return clock(shows) + " comes twice: only the first time is due"
	case shows < p.start+before.offset:
		return clock(shows) + " comes twice: the second time"
	}
	return ""
}

// clock is a reading of a clock in seconds since 1970, as its time of day.
func clock(seconds int64) string { return time.Unix(seconds, 0).UTC().Format("15:04") }

func short(seconds int) string {
	d := time.Duration(seconds) * time.Second
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}
