package host

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, as in 500kB, 64MB or 1.5GB.
type Size int64

var units = []struct {
	name  string
	bytes float64
}{{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}} // B is the end of all others

// UnmarshalText reads a size; a number alone is of bytes.
func (s *Size) UnmarshalText(text []byte) error {
	number, of := strings.TrimSpace(string(text)), 1.0
	for _, u := range units {
		if n := len(number) - len(u.name); n > 0 && strings.EqualFold(number[n:], u.name) {
			number, of = strings.TrimSpace(number[:n]), u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v >= 0 && v*of < 1<<60) {
		return fmt.Errorf("%q: want a size such as 64MB or 1.5GB", text)
	}
	*s = Size(v * of)
	return nil
}

// String is what UnmarshalText reads.
func (s Size) String() string {
	for i := len(units) - 2; i >= 0; i-- {
		if u := units[i]; s > 0 && int64(s)%int64(u.bytes) == 0 {
			return strconv.FormatInt(int64(s)/int64(u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
