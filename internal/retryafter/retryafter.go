// Package retryafter reads how long an answer asks to wait.
package retryafter

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Of is the wait that an answer asks for (RFC 9110, section 10.2.3), 0
// when it asks for none that makes sense. A date is read against the clock of
// the one who wrote it. Of two fields the longer wait counts.
func Of(h http.Header, now time.Time) time.Duration {
	var wait time.Duration
	for _, text := range h["Retry-After"] {
		wait = max(wait, oneRetryAfter(strings.TrimSpace(text), h, now))
	}
	return wait
}

func oneRetryAfter(text string, h http.Header, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(math.MaxInt64/time.Second) {
			return math.MaxInt64 // longer than can be said; task.Decide cuts it
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return max(at.Sub(now), 0)
}
