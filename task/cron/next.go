package cron

import "time"

// The years 1 to 9999, with a day more for all zones, in Unix seconds.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300800 + 86400
)

// Next is the first time after one at which the expression is due, in its zone.
// There is none after the year 9999.
func (e *Expr) Next(after time.Time) (time.Time, bool) {
	unix := max(after.Unix(), firstSecond)
	if unix >= lastSecond {
		return time.Time{}, false
	}
	p := periodAt(unix, e.zone)
	from := e.unread(p, floorDiv(unix+p.offset, 60)+1)
	for {
		minute, ok := e.reading(from)
		if !ok {
			return time.Time{}, false
		}
		if at := minute*60 - p.offset; at < p.end {
			return time.Unix(at, 0).In(e.zone), true
		}
		next := periodAt(p.end, e.zone)
		if !e.wildHour && minute*60 < p.end+next.offset {
			return time.Unix(p.end, 0).In(e.zone), true // skipped: due at the jump
		}
		from = ceilDiv(p.end+next.offset, 60)
		if !e.wildHour {
			from = max(from, minute)
		}
		p = next
	}
}

// unread is the first minute from one on that was not on the clock before the period
// began. A wildcard hour does not mind.
func (e *Expr) unread(p period, from int64) int64 {
	const most = 26 * 3600 // that a clock was ever put back by
	if e.wildHour || from*60-p.offset-p.start > most {
		return from
	}
	before := periodAt(p.start-1, e.zone)
	return max(from, ceilDiv(p.start+before.offset, 60))
}

// period is a time during which the clock of a zone is not changed, in Unix seconds.
type period struct {
	start, end int64 // without the end
	offset     int64 // of the clock from UTC, in seconds
}

// always is the period of a zone whose clock is never changed: from long before the
// year 1 to long after 9999, so that sums do not overflow.
var always = period{start: -1 << 60, end: 1 << 60}

func periodAt(unix int64, zone *time.Location) period {
	p := always
	if zone == time.UTC {
		return p
	}
	t := time.Unix(unix, 0).In(zone)
	_, offset := t.Zone()
	p.offset = int64(offset)
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		p.start = start.Unix()
	}
	if !end.IsZero() {
		p.end = end.Unix()
	}
	if p.end <= unix {
		// ZoneBounds takes years by the rule at the end of a zone's table to have 365
		// days (as of Go 1.26), so that a period ends before the last day of a leap year.
		p.end = time.Date(t.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
	return p
}
