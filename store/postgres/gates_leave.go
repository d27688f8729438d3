package postgres

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// leaving is what the endings of a turn give up at gates.
type leaving struct {
	f     *gateFloor
	ends  []*ending // in the order of the batch
	gates map[task.ID][]store.Gate
}

// leaving returns what is given up at gates; nil when nothing is. What the caller does not
// say of the gates of a task is read, in a transaction that this begins.
func (s *Store) leaving(ctx context.Context, c *session, t *turn) (*leaving, error) {
	l := &leaving{f: &gateFloor{s: s, ctx: ctx, c: c, now: t.now}, gates: map[task.ID][]store.Gate{}}
	var unknown []task.ID
	for _, e := range slices.Concat(t.gated, t.followed, t.linked) {
		if !e.gated {
			continue
		}
		if l.ends = append(l.ends, e); len(e.Gates) == 0 {
			unknown = append(unknown, e.ID)
			continue
		}
		gates, err := store.DecodeGates(e.Gates)
		if err != nil {
			return nil, err
		}
		l.gates[e.ID] = gates
	}
	if len(l.ends) == 0 {
		return nil, nil
	}
	slices.SortFunc(l.ends, func(a, b *ending) int { return a.order - b.order })
	if len(unknown) == 0 {
		return l, nil
	}
	return l, l.read(unknown)
}

const gatesByTaskSQL = `select t.id, t.gates from unnest($1) as s(id) join sendoff.task t on t.id = any(array[s.id])`

func (l *leaving) read(ids []task.ID) (err error) {
	sent := l.f.c.begin(l.f.ctx, query(pins), query(gatesByTaskSQL).idList(sortedIDs(ids)).rows(func(r *wireRow) {
		id := r.id()
		gates, bad := store.DecodeGates(r.bytes())
		if l.gates[id] = gates; bad != nil {
			err = bad
		}
	}))
	if sent != nil {
		return sent
	}
	return err
}

// begin sends the statements of the first round trip, between those that lock the gates in
// their order and one that reads who is first in line there.
func (l *leaving) begin(c *session, stmts []*stmt) error {
	var ids []task.ID
	for _, gates := range l.gates {
		ids = append(ids, gateIDs(gates)...)
	}
	if !c.began {
		if len(c.known()) == 0 {
			stmts = slices.Concat([]*stmt{query(pins), query(lockGatesSQL).idList(sortedIDs(ids)).rows(func(r *wireRow) { c.gates().have(r) })}, stmts)
			return c.open(l.f.ctx, append(stmts, l.look())...)
		}
		if err := c.begin(l.f.ctx); err != nil {
			return err
		}
	}
	if err := l.f.hold(ids); err != nil {
		return err
	}
	return c.do(l.f.ctx, append(stmts, l.look())...)
}

// look reads as many in line at each gate as may enter.
func (l *leaving) look() *stmt {
	leavers := map[store.Hash]int{}
	for _, e := range l.ends {
		for i := range l.gates[e.ID] {
			leavers[l.gates[e.ID][i].ID()]++
		}
	}
	return l.f.lookAtLines(leavers)
}

// leave gives up the places of those whose endings were written.
func (l *leaving) leave(f *family) error {
	if l == nil {
		return nil
	}
	for _, e := range l.ends {
		if !e.done {
			continue
		}
		if m := f.members[e.ID]; e.Decision.To == task.Suspended && m != nil && m.promptly != 0 {
			continue // it goes on at once
		}
		inside := store.Leaver{Task: e.ID, Token: e.Token}
		row := inside.Row()
		l.f.woken = &e.call.woken
		if err := l.f.leaveThem(&row, l.gates[e.ID], e.Decision.To.Final()); err != nil {
			return err
		}
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
