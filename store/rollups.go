package store

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/task"
)

// Rollups keeps what happened in each line, summed up by the minute, and later by ten
// minutes and by the hour; the last of it by ten seconds besides, and by the hour what
// happened with each target. Nodes count in memory and write now and then.
type Rollups interface {
	// PutRollups writes rows, in place of those with their keys, in one transaction.
	PutRollups(ctx context.Context, rows []Rollup) error

	// Rollups lists rows, in no order.
	Rollups(ctx context.Context, q RollupQuery) ([]Rollup, error)

	// FoldRollups adds rows of a step that begin before a time to those of a longer one, and
	// deletes them; to = 0 only deletes them. It takes the oldest, at most limit, and returns
	// how many it were. Of several nodes one folds at a time.
	FoldRollups(ctx context.Context, from, to, before int64, limit int) (int, error)
}

// What rollups are over, in microseconds, and how long each is kept.
const (
	TenSeconds int64 = 10 * 1_000_000
	Minute           = 6 * TenSeconds
	TenMinutes       = 10 * Minute
	Hour             = 60 * Minute

	KeepTenSeconds = 20 * Minute
	KeepMinutes    = 24 * Hour
	KeepTenMinutes = 7 * 24 * Hour
	KeepHours      = 90 * 24 * Hour
)

// Rollup is what one node counted of a line in the time from At on, Step long, both in
// microseconds. The zero Node is all nodes.
type Rollup struct {
	Step, At int64
	Lane     int32
	Target   int32 // 0 = all; else a number for its name, which is in Data
	Node     task.ID
	Data     []byte // see Tally, and with a Target EncodeTarget
}

// RollupQuery selects rows that begin from a time on and before another.
type RollupQuery struct {
	Step, From, Till int64 // of Steps
	Lanes            []int32
	Targets          bool // those of targets in place of those of all
}

// Steps are those whose rows add up to what is asked for: the step and shorter ones. Ten
// seconds are kept beside the minutes.
func (q *RollupQuery) Steps() (steps []int64) {
	if q.Step == TenSeconds {
		return []int64{TenSeconds}
	}
	for _, step := range []int64{Minute, TenMinutes, Hour} {
		if step <= q.Step {
			steps = append(steps, step)
		}
	}
	return steps
}

// Selects tells whether a row is asked for. The floors do the same in SQL.
func (q *RollupQuery) Selects(r *Rollup) bool {
	return slices.Contains(q.Steps(), r.Step) && r.At >= q.From && r.At < q.Till && slices.Contains(q.Lanes, r.Lane) && (r.Target != 0) == q.Targets
}

// CompareRollups puts rows in the order in which they are folded, within a step.
func CompareRollups(a, b Rollup) int {
	return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Target, b.Target), bytes.Compare(a.Node[:], b.Node[:]))
}

// FoldedRollups are the rows of a longer step that rows become, together with those that are
// there already. Those of targets are not folded.
func FoldedRollups(rows, had []Rollup, to int64) []Rollup {
	sums := map[rollupKey]*Tally{}
	for _, r := range slices.Concat(had, rows) {
		if r.Target != 0 {
			continue
		}
		key := rollupKey{r.At - r.At%to, r.Lane}
		if sums[key] == nil {
			sums[key] = &Tally{}
		}
		if t, ok := DecodeTally(r.Data); ok {
			sums[key].Add(&t)
		}
	}
	out := make([]Rollup, 0, len(sums))
	for key, t := range sums {
		out = append(out, Rollup{Step: to, At: key.at, Lane: key.lane, Data: t.Encode()})
	}
	slices.SortFunc(out, CompareRollups)
	return out
}

type rollupKey struct {
	at   int64
	lane int32
}
