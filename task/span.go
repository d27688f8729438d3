package task

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Horizon is the longest time that a task can name: a hundred years.
const Horizon = 100 * 365 * 24 * time.Hour

// Span is what a duration may be, both ends included.
type Span struct{ Least, Most time.Duration }

// What the durations of a task may be.
var (
	TimeoutSpan = Span{MinTimeout, MaxTimeout}
	DelaySpan   = Span{0, Horizon}                // of a delay, and of a unique window
	RetrySpan   = Span{time.Millisecond, Horizon} // of backoffs and ages
)

// Check notes a duration that is not in the span.
func (s Span) Check(bad *Invalid, field string, d time.Duration) {
	if d < s.Least || d > s.Most {
		bad.Add(field, "is %s: want %s to %s", spanText(d), s.Least, spanText(s.Most))
	}
}

func spanText(d time.Duration) string {
	switch {
	case d > Horizon:
		return "more than 100 years"
	case d == Horizon:
		return "100 years"
	}
	return d.String()
}

// ParseDuration reads a duration as the API takes it: such as "90s" or "1h30m",
// or a number of seconds. One that is too long for the type is the longest that
// is not.
func ParseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds == seconds {
		const most = float64(1<<63-1) / float64(time.Second)
		switch {
		case seconds >= most:
			return 1<<63 - 1, nil
		case seconds <= -most:
			return -1 << 63, nil
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("is %q: want a duration such as \"90s\" or \"1h30m\", or a number of seconds", text)
	}
	return d, nil
}

var rfc3339 = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// ParseTime reads a time as RFC 3339 writes it, and nothing else: the letters in
// either case, a leap second as the second after it, no comma, an offset of less
// than a day.
func ParseTime(text string) (time.Time, error) {
	upper := strings.ToUpper(text)
	if !rfc3339.MatchString(upper) {
		return time.Time{}, fmt.Errorf("is %q: want a time such as \"2026-01-31T12:00:00Z\"", text)
	}
	leap := upper[17:19] == "60"
	if leap {
		upper = upper[:17] + "59" + upper[19:]
	}
	t, err := time.Parse(time.RFC3339, upper)
	if err != nil || leap && (t.UTC().Hour() != 23 || t.UTC().Minute() != 59) {
		return time.Time{}, fmt.Errorf("is %q: there is no such time", text)
	}
	if leap {
		t = t.Add(time.Second)
	}
	return t, nil
}
