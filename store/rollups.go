package store

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/task"
)

// Rollups keeps what happened in each line, summed up by the minute, and later by ten
// minutes and by the hour. Nodes count in memory and write once a minute.
type Rollups interface {
	// PutRollups writes rows, in place of those with their keys, in one transaction.
	PutRollups(ctx context.Context, rows []Rollup) error

	// Rollups lists rows of lanes that begin from a time on and before another, of a step
	// or a shorter one, in no order.
	Rollups(ctx context.Context, step, from, till int64, lanes []int32) ([]Rollup, error)

	// FoldRollups adds rows of a step that begin before a time to those of a longer one, and
	// deletes them; to = 0 only deletes them. It takes the oldest, at most limit, and returns
	// how many it were. Of several nodes one folds at a time.
	FoldRollups(ctx context.Context, from, to, before int64, limit int) (int, error)
}

// What rollups are over, in microseconds, and how long each is kept.
const (
	Minute     int64 = 60 * 1_000_000
	TenMinutes       = 10 * Minute
	Hour             = 60 * Minute

	KeepMinutes    = 24 * Hour
	KeepTenMinutes = 7 * 24 * Hour
	KeepHours      = 90 * 24 * Hour
)

// Rollup is what one node counted of a line in the time from At on, Step long, both in
// microseconds. The zero Node is all nodes.
type Rollup struct {
	Step, At int64
	Lane     int32
	Target   int32 // 0 = all
	Node     task.ID
	Data     []byte // see Tally
}

// CompareRollups puts rows in the order in which they are folded, within a step.
func CompareRollups(a, b Rollup) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Target, b.Target), bytes.Compare(a.Node[:], b.Node[:]))
}

// FoldedRollups are the rows of a longer step that rows become, together with those that are
// there already.
func FoldedRollups(rows, had []Rollup, to int64) []Rollup {
	sums := map[rollupKey]*Tally{}
	for _, r := range slices.Concat(had, rows) {
		key := rollupKey{r.At - r.At%to, r.Lane, r.Target}
		if sums[key] == nil {
			sums[key] = &Tally{}
		}
		if t, ok := DecodeTally(r.Data); ok {
			sums[key].Add(&t)
		}
	}
	out := make([]Rollup, 0, len(sums))
	for key, t := range sums {
		out = append(out, Rollup{Step: to, At: key.at, Lane: key.lane, Target: key.target, Data: t.Encode()})
	}
	slices.SortFunc(out, CompareRollups)
	return out
}

type rollupKey struct {
	at           int64
	lane, target int32
}
