package cron

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a schedule may be.
const (
	MinEvery = time.Second
	MaxEvery = 100 * 365 * 24 * time.Hour
	MaxTimes = 1000
)

// Spec is a schedule as it is asked for: exactly one of Cron, Every, At and Times.
type Spec struct {
	Cron     string
	Every    time.Duration // MinEvery to MaxEvery, in whole milliseconds
	At       time.Time     // once
	Times    []time.Time   // 1 to MaxTimes, in any order
	Timezone string        // of Cron, and of what people are shown; default UTC
	StartsAt time.Time     // nothing is due before it; Every counts from it, by default from 1970-01-01 UTC
	EndsAt   time.Time     // nothing is due at it or later; zero = no end
}

// nexter is one of the forms.
type nexter interface {
	Next(after time.Time) (time.Time, bool)
}

// Schedule is a checked Spec.
type Schedule struct {
	due    nexter
	zone   *time.Location
	starts time.Time
	ends   time.Time
}

// New checks a schedule. The error joins an [*Error] for each fault.
func New(spec Spec) (*Schedule, error) {
	zone, err := Zone(spec.Timezone)
	if err != nil {
		zone = time.UTC
	}
	s := &Schedule{zone: zone, starts: spec.StartsAt.Truncate(time.Microsecond), ends: spec.EndsAt}
	due, badForm := spec.form(zone)
	if err = errors.Join(err, badForm); err != nil {
		return nil, err
	}
	s.due = due
	if _, ok := s.Next(time.Time{}); !ok {
		return nil, fault("ends_at", stamp(spec.EndsAt), "a time after the first fire: nothing is due from starts_at to it")
	}
	return s, nil
}

// form is the one form that the schedule has.
func (s Spec) form(zone *time.Location) (due nexter, err error) {
	var given []string
	for _, form := range []struct {
		name string
		is   bool
		make func()
	}{
		{"cron", s.Cron != "", func() { due, err = Parse(s.Cron, zone) }},
		{"every", s.Every != 0, func() { due, err = newEvery(s.Every, s.StartsAt) }},
		{"at", !s.At.IsZero(), func() { due, err = newTimes("at", []time.Time{s.At}) }},
		{"times", s.Times != nil, func() { due, err = newTimes("times", s.Times) }},
	} {
		if form.is {
			given = append(given, form.name)
			form.make()
		}
	}
	if len(given) != 1 {
		return nil, fault("schedule", strings.Join(given, ", "), "exactly one of cron, every, at and times")
	}
	return due, err
}

// Next is the first time after one at which the schedule is due, in its zone; false
// when it is over. Nothing is due before the year 1 or after 9999.
func (s *Schedule) Next(after time.Time) (time.Time, bool) {
	if after.Before(time.Time{}) {
		after = time.Time{}
	}
	if after.Year() > lastYear {
		return time.Time{}, false
	}
	if before := s.starts.Add(-time.Nanosecond); !s.starts.IsZero() && after.Before(before) {
		after = before
	}
	at, ok := s.due.Next(after)
	if !ok || !s.ends.IsZero() && !at.Before(s.ends) {
		return time.Time{}, false
	}
	return at.In(s.zone), true
}

// Zone is the time zone of the schedule.
func (s *Schedule) Zone() *time.Location { return s.zone }

// every is an interval, in microseconds.
type every struct{ period, from int64 }

func newEvery(period time.Duration, from time.Time) (every, error) {
	if period < MinEvery || period > MaxEvery || period%time.Millisecond != 0 {
		return every{}, fault("every", period.String(), `1s to 100 years in whole milliseconds, such as "90s" or "1h30m"`)
	}
	e := every{period: period.Microseconds()}
	if !from.IsZero() {
		e.from = from.UnixMicro()
	}
	return e, nil
}

// Next is the first multiple of the interval after a time.
func (e every) Next(after time.Time) (time.Time, bool) {
	n := floorDiv(after.UnixMicro()-e.from, e.period) + 1
	at := time.UnixMicro(e.from + n*e.period)
	return at, at.Year() <= lastYear
}

// times are in order.
type times []time.Time

func newTimes(field string, list []time.Time) (times, error) {
	if len(list) == 0 || len(list) > MaxTimes {
		return nil, fault(field, strconv.Itoa(len(list))+" times", "1 to "+strconv.Itoa(MaxTimes))
	}
	sorted := slices.Clone(list)
	for i, t := range sorted {
		if t.Year() > lastYear || t.Year() < 1 {
			return nil, fault(field, t.String(), "a year of 1 to 9999")
		}
		sorted[i] = t.Truncate(time.Microsecond)
	}
	slices.SortFunc(sorted, time.Time.Compare)
	return slices.CompactFunc(sorted, time.Time.Equal), nil
}

// Next is the first of the times after one.
func (ts times) Next(after time.Time) (time.Time, bool) {
	i, _ := slices.BinarySearchFunc(ts, after, func(t, after time.Time) int {
		if t.After(after) {
			return 1
		}
		return -1
	})
	if i == len(ts) {
		return time.Time{}, false
	}
	return ts[i], true
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}
