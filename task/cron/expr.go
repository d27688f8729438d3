package cron

import (
	"math/bits"
	"strings"
	"time"
)

// MaxLength is the longest expression, in bytes.
const MaxLength = 500

// Expr is a cron expression in a time zone; see the package for its rules.
type Expr struct {
	text                                   string
	minutes, hours, days, months, weekdays set
	either                                 bool // a day in one of the day fields is enough
	wildHour                               bool // due whenever the clock shows it
	zone                                   *time.Location
}

var macros = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
	"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// Parse reads a cron expression that is meant in a zone, nil for UTC. The error is
// an [*Error] that names the field.
func Parse(text string, zone *time.Location) (*Expr, error) {
	if len(text) > MaxLength {
		return nil, fault("cron", text, "at most 500 bytes")
	}
	if zone == nil {
		zone = time.UTC
	}
	fields := strings.Fields(text)
	e := &Expr{text: strings.Join(fields, " "), zone: zone}
	if len(fields) == 1 && strings.HasPrefix(fields[0], "@") {
		meaning, ok := macros[strings.ToLower(fields[0])]
		if !ok {
			return nil, fault("cron", text, "@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, or five fields")
		}
		fields = strings.Fields(meaning)
	}
	if err := checkCount(text, fields); err != nil {
		return nil, err
	}
	if err := e.parse(fields); err != nil {
		return nil, err
	}
	return e, e.checkDays(fields)
}

func checkCount(text string, fields []string) error {
	switch {
	case len(fields) > 0 && strings.Contains(fields[0], "="):
		return fault("cron", text, "no variable before the fields: a time zone is a field of the schedule")
	case len(fields) == 6:
		return fault("cron", text, "five fields: there is none for seconds; an interval below a minute is an \"every\" such as 10s")
	case len(fields) != 5:
		return fault("cron", text, "five fields: minute, hour, day of month, month, day of week, such as \"30 2 * * MON-FRI\"")
	}
	return nil
}

func (e *Expr) parse(fields []string) error {
	for i, part := range []struct {
		field
		to *set
	}{{minuteField, &e.minutes}, {hourField, &e.hours}, {dayField, &e.days}, {monthField, &e.months}, {weekdayField, &e.weekdays}} {
		s, err := part.parse(fields[i])
		if err != nil {
			return err
		}
		*part.to = s
	}
	if e.weekdays&(1<<7) != 0 {
		e.weekdays = e.weekdays&^(1<<7) | 1
	}
	e.either = !star(fields[2]) && !star(fields[4])
	e.wildHour = star(fields[1]) || e.hours == span(0, 23, 1)
	return nil
}

func star(field string) bool { return field[0] == '*' || field[0] == '?' }

// checkDays refuses days that no month has. Every date falls on every day of the
// week within 400 years, so that no other expression is never due.
func (e *Expr) checkDays(fields []string) error {
	if e.either {
		return nil
	}
	for m := 1; m <= 12; m++ {
		if e.months&(1<<m) != 0 && e.days&span(1, length(leapYear, time.Month(m)), 1) != 0 {
			return nil
		}
	}
	return fault("day of month", fields[2], "a day that month "+fields[3]+" has: this one is never")
}

// String is the expression as it was written, with single blanks.
func (e *Expr) String() string { return e.text }

// Zone is the time zone that the expression is meant in.
func (e *Expr) Zone() *time.Location { return e.zone }

const (
	dayMinutes = 24 * 60
	leapYear   = 2000
	lastYear   = 9999 // what RFC 3339 can write
)

// reading is the first minute from one on that the expression holds, both as a clock
// reads: in minutes since 1970-01-01 00:00 on the same clock. ok is false after the
// year 9999.
func (e *Expr) reading(from int64) (minute int64, ok bool) {
	day := floorDiv(from, dayMinutes)
	if first, ok := e.day(day); !ok || first != day {
		return first*dayMinutes + e.minuteFrom(0), ok
	}
	if m := e.minuteFrom(int(from - day*dayMinutes)); m >= 0 {
		return day*dayMinutes + m, true
	}
	day, ok = e.day(day + 1)
	return day*dayMinutes + e.minuteFrom(0), ok
}

// minuteFrom is the first minute of a day from one on, negative when there is none.
func (e *Expr) minuteFrom(from int) int64 {
	hour, minute := from/60, from%60
	if e.hours&(1<<hour) != 0 {
		if rest := e.minutes >> minute; rest != 0 {
			return int64(from + bits.TrailingZeros64(uint64(rest)))
		}
	}
	later := e.hours >> (hour + 1)
	if later == 0 {
		return -1
	}
	hour += 1 + bits.TrailingZeros64(uint64(later))
	return int64(hour*60 + bits.TrailingZeros64(uint64(e.minutes)))
}

// day is the first day from one on, both since 1970-01-01.
func (e *Expr) day(from int64) (day int64, ok bool) {
	year, month, first := time.Unix(from*86400, 0).UTC().Date()
	for ; year <= lastYear; first = 1 {
		if e.months&(1<<month) != 0 {
			start := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400
			if d := e.daysOf(year, month, start) >> first; d != 0 {
				return start + int64(first-1+bits.TrailingZeros64(uint64(d))), true
			}
		}
		if month++; month > time.December {
			year, month = year+1, time.January
		}
	}
	return 0, false
}

// daysOf are the days of a month that begins on a day since 1970-01-01.
func (e *Expr) daysOf(year int, month time.Month, start int64) set {
	const thursday = 4 // was 1970-01-01
	first := uint((start%7 + 7 + thursday) % 7)
	week := (e.weekdays>>first | e.weekdays<<(7-first)) & 0x7f
	weekdays := week * (1 | 1<<7 | 1<<14 | 1<<21 | 1<<28) << 1
	days := e.days & weekdays
	if e.either {
		days = e.days | weekdays
	}
	return days & (2<<length(year, month) - 2)
}

func length(year int, month time.Month) int {
	switch month {
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case time.April, time.June, time.September, time.November:
		return 30
	}
	return 31
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func ceilDiv(a, b int64) int64 { return -floorDiv(-a, b) }
