package store

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Order is how a listing is sorted.
type Order int

// The orders.
const (
	ByCreation Order = iota // newest first: see Reader.List
	ByFailure               // failed tasks, those first that failed last
	ByDue                   // scheduled tasks, those first that are due first
	ByPlace                 // ready tasks, by priority and then by their place in line
	ByStart                 // claimed tasks, those first that were claimed first
)

// Mark is a place in an order: what is sorted by, and the task.
type Mark struct {
	At int64
	ID task.ID
}

// placePriority is where the priority of a place in line is in its mark.
const placePriority = 56

// PlaceMark is what ready tasks are sorted by.
func PlaceMark(priority int16, position int64) int64 {
	return int64(priority)<<placePriority | position
}

// OfPlace takes apart what PlaceMark made.
func OfPlace(at int64) (priority int16, position int64) {
	return int16(at >> placePriority), at & (1<<placePriority - 1)
}

// Compare compares two places in the order.
func (o Order) Compare(a, b Mark) int {
	c := cmp.Or(cmp.Compare(a.At, b.At), bytes.Compare(a.ID[:], b.ID[:]))
	if o == ByFailure {
		return -c
	}
	return c
}

// Behind tells whether a is behind b, before which the zero Mark is.
func (o Order) Behind(a, b Mark) bool { return b == Mark{} || o.Compare(a, b) > 0 }

// Time is the time that a place stands for.
func (o Order) Time(m Mark) time.Time {
	if o == ByPlace {
		_, m.At = OfPlace(m.At)
	}
	return time.UnixMicro(m.At)
}

// Started are places by start, of what has been claimed: of a task that several claims
// hold, its last.
func Started(claims []ClaimEntry, after Mark, limit int) []Mark {
	at := map[task.ID]int64{}
	for _, c := range claims {
		for _, id := range c.Tasks {
			at[id] = max(at[id], c.At)
		}
	}
	var all []Mark
	for id, at := range at {
		if m := (Mark{at, id}); ByStart.Behind(m, after) {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, ByStart.Compare)
	return all[:min(limit, len(all))]
}

// Merge are the first places of lists that are each in the order.
func (o Order) Merge(all []Mark, limit int) []Mark {
	slices.SortFunc(all, o.Compare)
	return all[:min(limit, len(all))]
}
