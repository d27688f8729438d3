package task

import "cmp"

// Limit is what tasks that name the same key share: how many of them run at a time,
// and how many start in a span of time.
type Limit struct {
	Key         string
	Concurrency int32 // that run at a time, on all nodes together; 0 = any number
	Rate        Rate  // of starts; the zero value = any
	Burst       int32 // starts at once after a rest; 0 = [DefaultBurst]
}

// Limits of a task's limits.
const (
	MaxLimits    = 8   // of one task
	MaxLimitKey  = 200 // bytes
	DefaultBurst = 1
)

// BurstOrDefault is how many may start at once after a rest.
func (l *Limit) BurstOrDefault() int32 { return cmp.Or(l.Burst, DefaultBurst) }
