// Package retryafter reads how long an answer asks to wait, for the server that
// pushes and for the client that submits alike. It does not know what the wait is for.
package retryafter

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Of is the wait that an answer asks for (RFC 9110, section 10.2.3), and whether it
// asks for one in words that make sense: a date that is past is a wait of 0. A date
// is read against the clock of the one who wrote it. Of two fields the longer wait
// counts.
func Of(h http.Header, now time.Time) (wait time.Duration, asks bool) {
	for _, text := range h["Retry-After"] {
		if one, ok := parse(strings.TrimSpace(text), h, now); ok {
			wait, asks = max(wait, one), true
		}
	}
	return wait, asks
}

func parse(text string, h http.Header, now time.Time) (time.Duration, bool) {
	if text == "" {
		return 0, false
	}
	if strings.Trim(text, "0123456789") == "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || seconds > int64(math.MaxInt64/time.Second) {
			return math.MaxInt64, true // longer than can be said
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0, false
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return max(at.Sub(now), 0), true
}
