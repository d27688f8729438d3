package task

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how many may start in a time; the zero Rate is no limit.
type Rate struct {
	N   int32
	Per time.Duration // a second, a minute or an hour
}

// MaxRate is the largest N of a Rate.
const MaxRate = 1_000_000

var rateUnits = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// ParseRate reads a rate such as "100/s", "10/m" or "5/h".
func ParseRate(text string) (Rate, error) {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	for _, u := range rateUnits {
		if err == nil && u.name == unit && n >= 1 && n <= MaxRate {
			return Rate{int32(n), u.per}, nil
		}
	}
	return Rate{}, fmt.Errorf("is %q: want 1 to %d in a second, minute or hour, such as \"100/s\", \"10/m\" or \"5/h\"", text, MaxRate)
}

// String is the rate as ParseRate reads it; "" for none.
func (r Rate) String() string {
	for _, u := range rateUnits {
		if r.N != 0 && u.per == r.Per {
			return strconv.Itoa(int(r.N)) + "/" + u.name
		}
	}
	return ""
}

// Every is the time from one start to the next at this rate, in whole microseconds,
// rounded up so that the rate is never exceeded; 0 = no rate.
func (r Rate) Every() time.Duration {
	if r.N <= 0 || r.Per <= 0 {
		return 0
	}
	us := r.Per.Microseconds()
	return time.Duration((us+int64(r.N)-1)/int64(r.N)) * time.Microsecond
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*r = Rate{}
		return nil
	}
	*r, err = ParseRate(string(text))
	return err
}
