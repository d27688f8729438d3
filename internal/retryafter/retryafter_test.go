package retryafter_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/retryafter"
)

func TestTheWaitThatAnAnswerAsksFor(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, tt := range map[string]struct {
		fields []string
		date   string
		wait   time.Duration
		asks   bool
	}{
		"no field":                        {nil, "", 0, false},
		"an empty field":                  {[]string{""}, "", 0, false},
		"seconds":                         {[]string{" 7 "}, "", 7 * time.Second, true},
		"zero":                            {[]string{"0"}, "", 0, true},
		"more than can be said":           {[]string{"99999999999999999999"}, "", math.MaxInt64, true},
		"less than nothing":               {[]string{"-5"}, "", 0, false},
		"a fraction":                      {[]string{"1.5"}, "", 0, false},
		"words":                           {[]string{"soon"}, "", 0, false},
		"a date":                          {[]string{in(time.Minute)}, "", time.Minute, true},
		"a date that is past":             {[]string{in(-time.Minute)}, "", 0, true},
		"by a clock that is an hour slow": {[]string{in(time.Minute - time.Hour)}, in(-time.Hour), time.Minute, true},
		"by a clock that is an hour fast": {[]string{in(time.Minute + time.Hour)}, in(time.Hour), time.Minute, true},
		"two fields, the second longer":   {[]string{"1", "30"}, "", 30 * time.Second, true},
		"two fields, the first longer":    {[]string{"30", "1"}, "", 30 * time.Second, true},
		"nonsense, then a wait":           {[]string{"soon", "30"}, "", 30 * time.Second, true},
		"a date in one field, seconds in the other": {[]string{in(time.Minute), "5"}, "", time.Minute, true},
	} {
		h := http.Header{}
		for _, f := range tt.fields {
			h.Add("Retry-After", f)
		}
		if tt.date != "" {
			h.Set("Date", tt.date)
		}
		wait, asks := retryafter.Of(h, now)
		require.Equal(t, tt.wait, wait, name)
		require.Equal(t, tt.asks, asks, name)
	}
}
