package task

import (
	"fmt"
	"time"
)

// Check notes what is wrong with the limit. place stands before the names of its
// fields, such as "limits[0].".
func (l *Limit) Check(bad *Invalid, place string) {
	if l.Key == "" {
		bad.Add(place+"key", "is empty: want text of 1 to %d bytes, such as \"customer:42\"", MaxLimitKey)
	} else {
		bad.CheckName(place+"key", l.Key, MaxLimitKey)
	}
	checkLimit(bad, place, l.Concurrency, l.Rate, l.Burst)
}

// checkLimit notes what is wrong with a concurrency, a rate and its burst; zero is none.
func checkLimit(bad *Invalid, place string, concurrency int32, rate Rate, burst int32) {
	checkCount(bad, place+"concurrency", concurrency)
	checkCount(bad, place+"burst", burst)
	switch {
	case rate != (Rate{}) && (rate.String() == "" || rate.N < 1 || rate.N > MaxRate):
		bad.Add(place+"rate", "is %d in %s: want 1 to %d in a second, a minute or an hour", rate.N, rate.Per, MaxRate)
	case burst > 0 && rate == (Rate{}):
		bad.Add(place+"burst", "belongs to a rate: give one, such as \"100/s\", or leave the burst out")
	}
}

func checkCount(bad *Invalid, field string, n int32) {
	if n < 0 || n > MaxLimit {
		bad.Add(field, "is %d: want 1 to %d", n, MaxLimit)
	}
}

// CheckLimits notes what is wrong with the limits that a task names.
func CheckLimits(bad *Invalid, limits []Limit) {
	if len(limits) > MaxLimits {
		bad.Add("limits", "has %d entries: want 1 to %d", len(limits), MaxLimits)
		return
	}
	seen := map[string]bool{}
	for i := range limits {
		l, place := &limits[i], fmt.Sprintf("limits[%d]", i)
		l.Check(bad, place+".")
		switch {
		case l.Key != "" && l.Concurrency == 0 && l.Rate == (Rate{}) && l.Burst == 0:
			bad.Add(place, "limits nothing: want concurrency, such as 5, a rate, such as \"100/s\", or both")
		case seen[l.Key]:
			bad.Add(place+".key", "%q is the key of another limit of this task: want each once", l.Key)
		}
		seen[l.Key] = true
	}
}

// RateOf is a rate with so much time between two starts, which [Rate.Every] gives; the
// zero Rate for none. Where several are the same it is the one in the shortest unit.
func RateOf(every time.Duration) Rate {
	if every <= 0 {
		return Rate{}
	}
	for _, u := range rateUnits {
		for _, n := range []time.Duration{u.per / every, (u.per + every - 1) / every} {
			if r := (Rate{int32(n), u.per}); n >= 1 && n <= MaxRate && r.Every() == every {
				return r
			}
		}
	}
	last := rateUnits[len(rateUnits)-1]
	return Rate{max(int32(last.per/every), 1), last.per}
}
