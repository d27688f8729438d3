package plan

import (
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/task"
	"github.com/sendoff-dev/sendoff/task/cron"
)

// Rules are a checked Definition. Times are microseconds UTC. Jitter moves all times of a
// schedule by the same amount: what is due is due then.
type Rules struct {
	Overlap task.OnDuplicate // rule for what it has made that has not ended

	when    *cron.Schedule
	jitter  time.Duration
	catchUp string
	window  time.Duration
}

// Next is the first time after one; 0 = it is over.
func (r *Rules) Next(after int64) int64 {
	t, ok := r.when.Next(time.UnixMicro(after).Add(-r.jitter))
	if !ok {
		return 0
	}
	return t.Add(r.jitter).UnixMicro()
}

// Preview is the next n times after one, in the zone of the schedule.
func (r *Rules) Preview(after int64, n int) []cron.Fire {
	fires := r.when.Preview(time.UnixMicro(after).Add(-r.jitter), n)
	for i := range fires {
		fires[i].At = fires[i].At.Add(r.jitter)
	}
	return fires
}

// Missed is a time that is not fired, or several.
type Missed struct {
	Due    int64 // the first
	Reason string
}

// Due is what becomes of the times of a schedule up to now.
type Due struct {
	Missed []Missed // the oldest first
	Fire   []int64  // after those
	Next   int64    // 0 = it is over
}

// Limits of one Due.
const (
	mostFires  = 100 // the rest is due still
	mostMissed = 100 // more of them are told of as one
)

// Due decides what becomes of the times from the next one on until now.
func (r *Rules) Due(next, now int64) Due {
	from, why := r.from(next, now)
	d := Due{Missed: r.Missed(next, from, why), Next: next}
	if next < from {
		d.Next = r.Next(from - 1)
	}
	for d.Next != 0 && d.Next <= now && len(d.Fire) < mostFires {
		d.Fire = append(d.Fire, d.Next)
		d.Next = r.Next(d.Next)
	}
	return d
}

// from is where the times begin that are fired, and why the earlier ones are not.
func (r *Rules) from(next, now int64) (int64, string) {
	onTime, oldest := now-OnTime.Microseconds(), now-max(r.window, OnTime).Microseconds()
	switch r.catchUp {
	case None:
		return onTime, "nobody was there at its time, and catch_up is none"
	case All:
		return oldest, fmt.Sprintf("nobody was there at its time, and for longer than the catch_up_window of %s", r.window)
	}
	if next >= onTime {
		return onTime, ""
	}
	const later = "nobody was there at its time, and catch_up is one: a later time was fired"
	switch last := r.last(next, now); {
	case last >= onTime:
		return onTime, later
	case last >= oldest:
		return last, later
	}
	return now, fmt.Sprintf("nobody was there at its time, and for longer than the catch_up_window of %s", r.window)
}

// Missed are the times from next on and before another one.
func (r *Rules) Missed(next, before int64, why string) []Missed {
	var list []Missed
	for t := next; t != 0 && t < before; t = r.Next(t) {
		if len(list) == mostMissed {
			last := time.UnixMicro(r.last(next, before-1)).UTC().Format(time.RFC3339Nano)
			return []Missed{{next, why + "; so it was at all times until " + last}}
		}
		list = append(list, Missed{t, why})
	}
	return list
}

// last is the last time until one, given an earlier time.
func (r *Rules) last(earlier, until int64) int64 {
	last := earlier
	for back := time.Second.Microseconds(); until-back > earlier; back *= 2 {
		if t := r.Next(until - back); t != 0 && t <= until {
			last = t
			break
		}
	}
	for t := r.Next(last); t != 0 && t <= until; t = r.Next(t) {
		last = t
	}
	return last
}
