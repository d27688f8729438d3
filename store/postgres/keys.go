package postgres

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// maxKeyLocks bounds the locks of one transaction: the database has room for a
// few thousand in all.
const maxKeyLocks = 64

// keyLocks are the advisory locks that guard the keys of tasks, in the order to
// take them.
func keyLocks(names []store.KeyName) []int64 {
	locks := make([]int64, 0, len(names))
	for _, k := range names {
		n := int64(binary.BigEndian.Uint64(k.Hash[:8]))
		locks = append(locks, n^int64(k.Namespace)<<32^int64(k.Kind))
	}
	slices.Sort(locks)
	return slices.Compact(locks)
}

func keyNames(ops []*insertOp) []store.KeyName {
	seen := map[store.KeyName]bool{}
	var names []store.KeyName
	for _, op := range ops {
		for i := range op.tasks {
			for _, k := range op.tasks[i].Keys {
				if !seen[k.Name()] {
					seen[k.Name()] = true
					names = append(names, k.Name())
				}
			}
		}
	}
	return names
}

// lookKeys locks keys and reads what stands behind them.
func (p *plan) lookKeys(names []store.KeyName) (stmts []*stmt) {
	if locks := keyLocks(names); len(locks) > maxKeyLocks {
		stmts = append(stmts, query(`select pg_advisory_xact_lock($1)`).i8(lockKeys))
	} else if len(locks) > 0 {
		stmts = append(stmts, query(`select pg_advisory_xact_lock_shared($1)`).i8(lockKeys),
			query(`select pg_advisory_xact_lock(n) from unnest($1) as n`).i8s(len(locks), func(i int) int64 { return locks[i] }))
	}
	if len(names) > 0 {
		stmts = append(stmts, query(`
select k.ns, k.kind, k.hash, k.body, k.task, k.until, k.while_open, t.id, t.created_at, t.lane, t.prio, t.crashes, t.at, t.state, t.kind, t.flags, t.parent, t.reason
from unnest($1, $2, $3) as n(ns, kind, hash)
join sendoff.key k on k.ns = n.ns and k.kind = n.kind and k.hash = n.hash
left join sendoff.task t on t.id = k.task`).
			i4s(len(names), func(i int) int32 { return names[i].Namespace }).
			i2s(len(names), func(i int) int16 { return int16(names[i].Kind) }).
			blobs(len(names), func(i int) []byte { return names[i].Hash[:] }).
			rows(p.readKey))
	}
	return stmts
}

func (p *plan) readKey(r *wireRow) {
	e := store.KeyEntry{Namespace: r.i4(), Kind: store.KeyKind(r.i2()), Hash: r.hash(), Body: r.hash(), Task: r.id(), Until: r.i8(), WhileOpen: r.bool()}
	taken := &store.Taken{Entry: e}
	if had := p.readStanding(r); had != nil {
		taken.State, taken.Kind, taken.Reason = had.state, had.kind, had.reason
	}
	p.resolver.Taken[store.KeyName{Namespace: e.Namespace, Kind: e.Kind, Hash: e.Hash}] = taken
}

func writeKeys(entries []store.KeyEntry) *stmt {
	n := len(entries)
	return query(`
insert into sendoff.key (ns, kind, hash, body, task, until, while_open)
select * from unnest($1, $2, $3, $4, $5, $6, $7)
on conflict (ns, kind, hash) do update set body = excluded.body, task = excluded.task, until = excluded.until, while_open = excluded.while_open`).
		i4s(n, func(i int) int32 { return entries[i].Namespace }).
		i2s(n, func(i int) int16 { return int16(entries[i].Kind) }).
		blobs(n, func(i int) []byte { return entries[i].Hash[:] }).
		blobs(n, func(i int) []byte { return entries[i].Body[:] }).
		ids(n, func(i int) task.ID { return entries[i].Task }).
		i8s(n, func(i int) int64 { return entries[i].Until }).
		bools(n, func(i int) bool { return entries[i].WhileOpen })
}

// reclaim locks the keys of a task that is to run again, and returns what gives
// it the unique ones.
func (s *Store) reclaim(ctx context.Context, c *session, row *store.Row) ([]*stmt, error) {
	if row.Flags&store.FlagKeys == 0 {
		return nil, nil
	}
	var keys []store.HeldKey
	err := c.do(ctx, query(`select keys from sendoff.task where id = $1`).id(row.ID).rows(func(r *wireRow) { keys = store.DecodeKeyNames(r.bytes()) }))
	if err != nil {
		return nil, err
	}
	names := make([]store.KeyName, len(keys))
	for i, k := range keys {
		names[i] = k.KeyName
	}
	p := newPlan(s.clock.now())
	if err := c.do(ctx, p.lookKeys(names)...); err != nil {
		return nil, err
	}
	entries, err := store.Reclaim(row.ID, keys, p.resolver.Taken, p.now)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	return []*stmt{writeKeys(entries)}, nil
}
