package postgres

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// leaving is what the endings of a turn give up at gates.
type leaving struct {
	f      *gateFloor
	before map[task.ID]*store.Row
}

// beginLeaving begins a transaction in which gates are left, and locks these; nil when
// none is, and nothing was begun.
func (s *Store) beginLeaving(ctx context.Context, c *session, t *turn) (*leaving, error) {
	var ids []task.ID
	for _, e := range slices.Concat(t.followed, t.linked) {
		if e.gated {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	l := &leaving{f: &gateFloor{s: s, ctx: ctx, c: c, now: t.now}, before: map[task.ID]*store.Row{}}
	err := c.begin(ctx, query(pins), query(`select`+rowColumns+`from unnest($1) as s(id) cross join lateral (select * from sendoff.task t where t.id = s.id) t`).
		idList(sortedIDs(ids)).rows(func(r *wireRow) {
		row := readRow(r)
		l.before[row.ID] = &row
	}))
	if err == nil {
		err = l.lock()
	}
	return l, err
}

// lock locks the gates of all tasks in their order.
func (l *leaving) lock() error {
	var ids []task.ID
	for _, row := range l.before {
		gates, err := store.DecodeGates(row.Gates)
		if err != nil {
			return err
		}
		ids = append(ids, gateIDs(gates)...)
	}
	if err := l.f.hold(sortedIDs(ids)); err != nil {
		return err
	}
	l.f.letGo()
	return nil
}

// leave gives up the places of those whose endings were written.
func (l *leaving) leave(f *family, t *turn) error {
	if l == nil {
		return nil
	}
	all := slices.Concat(t.followed, t.linked)
	slices.SortFunc(all, func(a, b *ending) int { return a.order - b.order })
	for _, e := range all {
		row := l.before[e.ID]
		if !e.gated || !e.done || row == nil {
			continue
		}
		if m := f.members[e.ID]; e.Decision.To == task.Suspended && m != nil && m.promptly != 0 {
			continue // it goes on at once
		}
		row.State = task.Running
		if err := l.f.leave(row, e.Decision.To.Final()); err != nil {
			return err
		}
		for _, w := range l.f.woken {
			e.call.woken = store.Collect(e.call.woken, w)
		}
		l.f.woken = nil
	}
	return nil
}

// ending returns the rows of lost tasks that end and have gates.
func (f *gateFloor) ending(endings []*ending) (rows []*store.Row, err error) {
	for _, e := range endings {
		if !e.gated {
			continue
		}
		row, err := f.row(e.ID)
		if err != nil {
			return nil, err
		}
		if row != nil {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

const anyLeaverSQL = `select exists (select from sendoff.leaver)`

// leftBehind lets go of the places of attempts that were canceled on nodes that are gone,
// or under claims that nobody knows.
func (f *gateFloor) leftBehind(claims []store.ClaimEntry) error {
	var any bool // by now, when the tasks of the claims are locked
	if err := f.do(query(anyLeaverSQL).rows(func(r *wireRow) { any = r.bool() })); err != nil || !any {
		return err
	}
	for _, claim := range claims {
		if err := f.left(query(leaverOfClaim).idList(claim.Tasks).id(claim.Node)); err != nil {
			return err
		}
	}
	return f.left(query(leaverOfDead).null8(f.s.clock.lease()))
}
