package term

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// TimeOfDay begins each line.
const TimeOfDay = "15:04:05.000"

// State is a state with its reason.
func State(task *sendoff.Task) string {
	if task.Reason == "" {
		return string(task.State)
	}
	return string(task.State) + " (" + task.Reason + ")"
}

// Ago is how long ago a time was, or how far ahead it is, short.
func Ago(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	d := time.Since(at)
	if d < 0 {
		return "in " + Short(-d)
	}
	return Short(d)
}

// Short is a duration for people, as exact as matters.
func Short(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return d.Round(time.Minute).String()[:len(d.Round(time.Minute).String())-2]
	default:
		return strconv.Itoa(int(d.Hours()/24)) + "d"
	}
}

// Clock is a time for people, in their zone, to the millisecond.
func Clock(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format("2006-01-02 15:04:05.000")
}

// Counted is a number of things, whose plural ends with "s".
func Counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// OneLine makes a text of others fit into a cell: no control characters, which
// could steer the terminal, and not longer than limit.
func OneLine(text string, limit int) string {
	text = Clean(text)
	if r := []rune(text); len(r) > limit {
		return string(r[:limit-3]) + "..."
	}
	return text
}

// Clean replaces line breaks and control characters.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
