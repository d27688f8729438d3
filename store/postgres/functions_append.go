package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// appendCall is a call of Append that waits for the pipeline.
type appendCall struct {
	checkpoints []store.Checkpoint
	errs        []error
	err         error
}

func (c *appendCall) weight() int { return len(c.checkpoints) }

// Append adds to the journals of running functions; see store.Functions.
func (s *Store) Append(ctx context.Context, checkpoints []store.Checkpoint) ([]error, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	if len(checkpoints) == 0 {
		return nil, nil
	}
	call := &appendCall{checkpoints: checkpoints, errs: make([]error, len(checkpoints))}
	if err := s.appends.Do(ctx, call); err != nil {
		return nil, closedError(err)
	}
	if call.err != nil {
		return nil, fmt.Errorf("append to journals: %w", call.err)
	}
	return call.errs, nil
}

// entry is one checkpoint of a batch.
type entry struct {
	*store.Checkpoint
	err  *error
	done bool
}

type entryKey struct {
	id            task.ID
	offset, token int64
}

func (e *entry) key() entryKey { return entryKey{e.ID, e.Offset, e.Token} }

// handleAppends is the pipeline's handler.
func (s *Store) handleAppends(ctx context.Context, calls []*appendCall) {
	var entries []*entry
	for _, call := range calls {
		for i := range call.checkpoints {
			entries = append(entries, &entry{Checkpoint: &call.checkpoints[i], err: &call.errs[i]})
		}
	}
	slices.SortStableFunc(entries, func(a, b *entry) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	err := s.patiently(ctx, func(ctx context.Context, c *session) error {
		first := make(map[entryKey]*entry, len(entries))
		for _, e := range entries {
			e.done = false
			if first[e.key()] == nil {
				first[e.key()] = e
			}
		}
		stmts := []*stmt{query(pins)}
		if c.again {
			stmts = append(stmts, query(barrier))
		}
		return c.do(ctx, append(stmts, appendStmt(entries, func(k entryKey) { first[k].done = true }))...)
	})
	if err == nil {
		err = s.explainAppends(ctx, entries)
	}
	for _, call := range calls {
		call.err = err
	}
}

var appendSQL = words.SQL(`
with s as materialized (
 select s.id, s.off, s.token, s.bytes from unnest($1, $2, $3, $4) as s(id, off, token, bytes)
 cross join lateral (select from sendoff.task t where t.id = s.id and t.token = s.token and t.state = :running and t.flags & :flag_waits <> 0 for share) t)
insert into sendoff.journal (task, "offset", token, bytes) select id, off, token, bytes from s
on conflict do nothing returning task, "offset", token`)

// appendStmt adds segments of running functions to their journals. The shared
// lock keeps whoever ends or restarts the function waiting until they are there.
//
// The task is asked for laterally: for a join the planner, who expects one running
// task, goes through all tasks once for each checkpoint.
func appendStmt(entries []*entry, each func(entryKey)) *stmt {
	n := len(entries)
	return query(appendSQL).
		ids(n, func(i int) task.ID { return entries[i].ID }).
		i8s(n, func(i int) int64 { return entries[i].Offset }).
		i8s(n, func(i int) int64 { return entries[i].Token }).
		blobs(n, func(i int) []byte { return present(entries[i].Bytes) }).
		rows(func(r *wireRow) { each(entryKey{r.id(), r.i8(), r.i8()}) })
}

var explainAppendsSQL = words.SQL(`
select s.n, t.id is not null, j.token = s.token and j.bytes = s.bytes
from unnest($1, $2, $3, $4) with ordinality as s(id, off, token, bytes, n)
left join sendoff.task t on t.id = any(array[s.id]) and t.token = s.token and t.state = :running and t.flags & :flag_waits <> 0
left join sendoff.journal j on j.task = s.id and j."offset" = s.off`)

// explainAppends tells apart checkpoints that were not written: there already,
// in the way of another one, or of an attempt that lost its lease.
func (s *Store) explainAppends(ctx context.Context, entries []*entry) error {
	var missing []*entry
	for _, e := range entries {
		if !e.done {
			missing = append(missing, e)
		}
	}
	n := len(missing)
	if n == 0 {
		return nil
	}
	return s.patiently(ctx, func(ctx context.Context, c *session) error {
		return c.do(ctx, query(pins), query(explainAppendsSQL).
			ids(n, func(i int) task.ID { return missing[i].ID }).
			i8s(n, func(i int) int64 { return missing[i].Offset }).
			i8s(n, func(i int) int64 { return missing[i].Token }).
			blobs(n, func(i int) []byte { return present(missing[i].Bytes) }).
			rows(func(r *wireRow) {
				e := missing[r.i8()-1]
				switch running, same := r.bool(), r.bool(); {
				case !running:
					*e.err = store.ErrLeaseLost
				case !same:
					*e.err = store.ErrBadValue
				}
			}))
	})
}
