package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// insertTelling stores a task that brings signals, in a transaction of its own:
// it locks a function that is there already, which others must not wait for.
func (s *Store) insertTelling(ctx context.Context, op *insertOp) {
	for range maxTries {
		op.err = nil
		if s.insertOps(ctx, []*insertOp{op}, nil); !errors.Is(op.err, errRace) {
			return
		}
	}
}

// told is a task that gets the signals of a new one: itself, or a function that
// is there already.
type told struct {
	id      task.ID
	signals []store.Message
	op      *insertOp
}

// tell writes what there is to write, and returns what gives the signals to whom
// they are for. errRace when a function has ended since its key was looked at.
func (p *plan) tell(ctx context.Context, c *session, clock *clock, writes []*stmt) ([]*stmt, error) {
	f := newFamily(clock, p.now)
	ids := make([]task.ID, len(p.told))
	for i := range p.told {
		ids[i] = p.told[i].id
	}
	// As in Signal: whoever ends a function whose wait row is made just now has to
	// wait for it at the task.
	lock := query(`select from sendoff.task where id = any($1) order by id for share`).idList(sortedIDs(ids))
	if err := c.do(ctx, slices.Concat(writes, []*stmt{query(pins)}, f.lock(ids, nil), []*stmt{lock, f.look(ids)})...); err != nil {
		return nil, err
	}
	for _, t := range p.told {
		m := f.members[t.id]
		if m == nil || !m.there || m.standing.state.Final() {
			return nil, errRace
		}
		for _, signal := range t.signals {
			f.deliver(m, signal, &t.op.woken)
		}
	}
	return f.statements(), nil
}
