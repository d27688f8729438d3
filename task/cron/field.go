package cron

import (
	"fmt"
	"strconv"
	"strings"
)

// field is what one field of an expression may hold.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min on
	day      bool     // takes ?
	example  string
}

var (
	minuteField = field{name: "minute", min: 0, max: 59, example: `"0", "*/15" or "5,35"`}
	hourField   = field{name: "hour", min: 0, max: 23, example: `"9", "9-17" or "*/2"`}
	dayField    = field{name: "day of month", min: 1, max: 31, day: true, example: `"1", "1-7" or "*"`}
	monthField  = field{
		name: "month", min: 1, max: 12, example: `"1", "JAN-MAR" or "*/3"`,
		names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"},
	}
	weekdayField = field{
		name: "day of week", min: 0, max: 7, day: true, example: `"1", "MON-FRI" or "*"`,
		names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"},
	}
)

// set holds a value as the bit of its number.
type set uint64

// span is the values from lo to hi, every step-th.
func span(lo, hi, step int) set {
	var s set
	for v := lo; v <= hi; v += step {
		s |= 1 << v
	}
	return s
}

// parse reads a field: a list of items.
func (f field) parse(text string) (set, error) {
	var all set
	for item := range strings.SplitSeq(text, ",") {
		s, err := f.item(item)
		if err != nil {
			return 0, err
		}
		all |= s
	}
	return all, nil
}

// item reads a value, a range or *, each with or without a step.
func (f field) item(text string) (set, error) {
	base, stepText, stepped := strings.Cut(text, "/")
	lo, hi, err := f.bounds(base, stepped)
	if err != nil {
		return 0, err
	}
	step := 1
	if stepped {
		if step, err = number(stepText); err != nil || step < 1 || step > f.max {
			return 0, fault(f.name, text, fmt.Sprintf("a step of 1 to %d", f.max))
		}
	}
	return span(lo, hi, step), nil
}

// bounds are the first and the last value of an item. With a step, a value alone is
// the first of all that follow.
func (f field) bounds(text string, stepped bool) (lo, hi int, err error) {
	top := f.max
	if f.names != nil && f.min == 0 {
		top = len(f.names) - 1 // the second Sunday is no day of its own
	}
	if text == "*" || text == "?" && f.day {
		return f.min, top, nil
	}
	first, last, ranged := strings.Cut(text, "-")
	if lo, err = f.value(first); err != nil {
		return 0, 0, err
	}
	switch {
	case !ranged && stepped:
		return lo, max(lo, top), nil
	case !ranged:
		return lo, lo, nil
	}
	if hi, err = f.value(last); err != nil {
		return 0, 0, err
	}
	if strings.EqualFold(last, "SUN") && lo > 0 {
		hi = f.max
	}
	if lo > hi {
		return 0, 0, fault(f.name, text, fmt.Sprintf("the smaller first; %s-%d,%d-%s for a range over the end", first, top, f.min, last))
	}
	return lo, hi, nil
}

func (f field) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(name, text) {
			return f.min + i, nil
		}
	}
	if v, err := number(text); err == nil && v >= f.min && v <= f.max {
		return v, nil
	}
	return 0, fault(f.name, text, f.want())
}

func (f field) want() string {
	if f.names == nil {
		return fmt.Sprintf("%d to %d, such as %s", f.min, f.max, f.example)
	}
	return fmt.Sprintf("%d to %d or %s to %s, such as %s", f.min, f.max, f.names[0], f.names[len(f.names)-1], f.example)
}

// number reads one to three digits and nothing else.
func number(text string) (int, error) {
	if len(text) > 3 {
		return 0, strconv.ErrRange
	}
	v, err := strconv.ParseUint(text, 10, 16)
	return int(v), err
}
