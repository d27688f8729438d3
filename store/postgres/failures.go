package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const failureColumns = ` f.ns, f.print, f.queue, f.target, f.code, f.text, f.first_at, f.last_at, f.count, f.sample, f.muted_until `

const (
	addFailuresSQL = `
insert into sendoff.failure_group as f (ns, print, queue, target, code, text, first_at, last_at, count, sample, muted_until)
select ns, print, queue, target, code, text, first_at, last_at, count, sample, 0
from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) as n(ns, print, queue, target, code, text, first_at, last_at, count, sample)
on conflict (ns, print) do update set first_at = least(f.first_at, excluded.first_at), last_at = greatest(f.last_at, excluded.last_at),
 count = f.count + excluded.count, sample = case when excluded.last_at >= f.last_at then excluded.sample else f.sample end`

	// It waits for no other node that adds to one of them.
	dropFailuresSQL = `
with old as materialized (select f.ns, f.print from sendoff.failure_group f order by f.last_at desc, f.print desc, f.ns desc offset $1 for update skip locked)
delete from sendoff.failure_group f using old o where f.ns = o.ns and f.print = o.print`

	listFailuresSQL = `
select` + failureColumns + `from sendoff.failure_group f where f.ns = $1 and (f.last_at, f.print) < ($2, $3)
order by f.last_at desc, f.print desc limit $4`

	failureSQL = `select` + failureColumns + `from sendoff.failure_group f where f.ns = $1 and f.print = $2`

	muteFailureSQL = `update sendoff.failure_group f set muted_until = $3 where f.ns = $1 and f.print = $2 returning` + failureColumns
)

func readFailure(r *wireRow) store.FailureGroup {
	return store.FailureGroup{
		Namespace: r.i4(), Print: r.hash(), Queue: r.text(), Target: r.text(), Code: r.text(), Text: r.text(),
		FirstAt: r.i8(), LastAt: r.i8(), Count: r.i8(), Sample: r.id(), MutedUntil: r.i8(),
	}
}

// AddFailures adds to groups; see store.Failures. All nodes take their locks in one order.
func (s *Store) AddFailures(ctx context.Context, groups []store.FailureGroup, keep int) error {
	groups = slices.SortedFunc(slices.Values(groups), func(a, b store.FailureGroup) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), bytes.Compare(a.Print[:], b.Print[:]))
	})
	n := len(groups)
	err := s.write(store.WithoutAudit(ctx), query(pins), query(addFailuresSQL).
		i4s(n, func(i int) int32 { return groups[i].Namespace }).nodes(n, func(i int) task.ID { return task.ID(groups[i].Print) }).
		rawTexts(n, func(i int) string { return groups[i].Queue }).rawTexts(n, func(i int) string { return groups[i].Target }).
		rawTexts(n, func(i int) string { return groups[i].Code }).rawTexts(n, func(i int) string { return groups[i].Text }).
		i8s(n, func(i int) int64 { return groups[i].FirstAt }).i8s(n, func(i int) int64 { return groups[i].LastAt }).
		i8s(n, func(i int) int64 { return groups[i].Count }).nodes(n, func(i int) task.ID { return groups[i].Sample }),
		query(dropFailuresSQL).i8(int64(keep)))
	if err != nil {
		return fmt.Errorf("add to groups of failures: %w", translate(err))
	}
	return nil
}

// ListFailures lists groups; see store.Failures.
func (s *Store) ListFailures(ctx context.Context, ns int32, after store.FailureMark, limit int) (groups []store.FailureGroup, err error) {
	if after.At == 0 {
		after.At = math.MaxInt64
	}
	err = s.read(ctx, query(pins), query(listFailuresSQL).i4(ns).i8(after.At).id(task.ID(after.Print)).i8(int64(limit)).
		rows(func(r *wireRow) { groups = append(groups, readFailure(r)) }))
	if err != nil {
		return nil, fmt.Errorf("list groups of failures: %w", translate(err))
	}
	return groups, nil
}

// FindFailure returns a group; see store.Failures.
func (s *Store) FindFailure(ctx context.Context, ns int32, print store.Hash) (store.FailureGroup, error) {
	var g store.FailureGroup
	err := s.read(ctx, query(pins), query(failureSQL).i4(ns).id(task.ID(print)).rows(func(r *wireRow) { g = readFailure(r) }))
	switch {
	case err != nil:
		return store.FailureGroup{}, fmt.Errorf("read a group of failures: %w", translate(err))
	case g.Count == 0:
		return store.FailureGroup{}, store.ErrNotFound
	}
	return g, nil
}

// MuteFailure mutes a group; see store.Failures.
func (s *Store) MuteFailure(ctx context.Context, ns int32, print store.Hash, until int64) (store.FailureGroup, error) {
	var g store.FailureGroup
	var found bool
	err := s.act(ctx, &found, query(pins), query(muteFailureSQL).i4(ns).id(task.ID(print)).i8(until).
		rows(func(r *wireRow) { g, found = readFailure(r), true }))
	switch {
	case errors.Is(err, errRace):
		return store.FailureGroup{}, store.ErrNotFound
	case err != nil:
		return store.FailureGroup{}, fmt.Errorf("mute a group of failures: %w", translate(err))
	}
	return g, nil
}
