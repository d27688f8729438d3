package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// Insert stores tasks; see store.Inserter.
func (s *Store) Insert(ctx context.Context, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	if err := s.enter(); err != nil {
		return nil, nil, err
	}
	defer s.calls.Done()
	if len(tasks) == 0 {
		return nil, nil, nil
	}
	op := &insertOp{tasks: tasks, out: make([]store.Inserted, len(tasks)), atomic: atomic}
	if telling(tasks) {
		s.insertTelling(ctx, op)
	} else if len(tasks) >= copyFrom && !keyed(tasks) && !depending(tasks) && !gated(tasks) {
		if err := s.insertLarge(ctx, op); err != nil {
			return nil, nil, err
		}
	} else if err := s.inserts.Do(ctx, op); err != nil {
		return nil, nil, closedError(err)
	}
	if op.err != nil {
		return nil, nil, fmt.Errorf("insert tasks: %w", op.err)
	}
	return op.out, op.woken, nil
}

// insertLarge gives an insert that is a batch by itself a connection of its own.
func (s *Store) insertLarge(ctx context.Context, op *insertOp) error {
	select {
	case s.copies <- struct{}{}:
		defer func() { <-s.copies }()
	case <-ctx.Done():
		return ctx.Err()
	}
	s.insertOps(ctx, []*insertOp{op}, nil)
	return nil
}

// insertOps stores the tasks of several calls in one transaction. When a value
// is to blame for a failure it is found by halving, so that it fails alone; without the
// claims that ride.
func (s *Store) insertOps(ctx context.Context, ops []*insertOp, a *along) {
	err := s.insertBatch(ctx, ops, a)
	if err != nil {
		for _, op := range ops {
			op.woken = nil
		}
	}
	switch {
	case err == nil:
	case !isDataError(err):
		for _, op := range ops {
			op.err = err
		}
	case len(ops) > 1:
		s.insertOps(ctx, ops[:len(ops)/2], nil)
		s.insertOps(ctx, ops[len(ops)/2:], nil)
	case len(ops[0].tasks) == 1:
		ops[0].out[0] = store.Inserted{Status: store.Invalid}
	case ops[0].atomic:
		s.blame(ctx, ops[0])
	default:
		half := len(ops[0].tasks) / 2
		for _, part := range []*insertOp{ops[0].part(0, half), ops[0].part(half, len(ops[0].tasks))} {
			s.insertOps(ctx, []*insertOp{part}, nil)
			ops[0].err = errors.Join(ops[0].err, part.err)
			for _, w := range part.woken {
				ops[0].woken = store.Collect(ops[0].woken, w)
			}
		}
	}
}

// blame finds the first task of an atomic op that cannot be stored: the longest
// beginning that can is searched, and given up each time.
func (s *Store) blame(ctx context.Context, op *insertOp) {
	good, bad := 0, len(op.tasks) // the first good can be stored, the first bad cannot
	for bad-good > 1 {
		middle := (good + bad) / 2
		err := s.change(ctx, func(ctx context.Context, c *session) error {
			p := &plan{now: s.clock.now()}
			for i := range middle {
				p.add(op, &op.tasks[i])
			}
			return c.begin(ctx, p.statements(true)...) // never committed
		})
		switch {
		case err == nil:
			good = middle
		case isDataError(err):
			bad = middle
		default:
			op.err = err
			return
		}
	}
	for i := range op.out {
		op.out[i] = store.Inserted{Status: store.Skipped}
	}
	op.out[bad-1] = store.Inserted{Status: store.Invalid}
}

// insertBatch stores ops in one transaction. It starts on the assumption that
// no task has a key and none is stored already; when that is wrong it looks
// first.
func (s *Store) insertBatch(ctx context.Context, ops []*insertOp, a *along) error {
	now, careful := s.clock.now(), false
	tasks := 0
	for _, op := range ops {
		tasks += len(op.tasks)
		careful = careful || keyed(op.tasks) || telling(op.tasks) || depending(op.tasks) || gated(op.tasks)
	}
	return s.patiently(ctx, func(ctx context.Context, c *session) error {
		if !careful && !c.again {
			err := s.insertPlain(ctx, c, ops, now, tasks, a)
			if !isTaken(err) {
				return err
			}
			careful = true
		}
		return s.insertCareful(ctx, c, ops, now, a)
	})
}

func (s *Store) insertPlain(ctx context.Context, c *session, ops []*insertOp, now int64, tasks int, a *along) error {
	p := &plan{now: now, rows: make([]newRow, 0, tasks)}
	for _, op := range ops {
		op.woken = nil
		for i := range op.tasks {
			p.add(op, &op.tasks[i])
			op.out[i] = store.Inserted{Status: store.Created, ID: op.tasks[i].ID, CreatedAt: now}
		}
	}
	span := s.clock.take(p.ready)
	p.place(span)
	var err error
	if tasks >= copyFrom {
		err = p.copy(ctx, c)
	} else {
		claims := a.statements(s, c)
		err = c.do(ctx, append(p.statements(false), claims...)...)
		a.outcome(err, len(claims) > 0)
	}
	if err != nil && !errors.Is(err, errUnknown) {
		s.clock.untake(span)
	}
	return err
}

// carryOut does what a plan asks for, and returns what is left to be written. Who is
// canceled has its followers told first, for they waited before the new tasks came.
func (s *Store) carryOut(ctx context.Context, c *session, p *plan) (writes []*stmt, span span, err error) {
	if err := p.replaceRelated(ctx, c, s); err != nil {
		return nil, span, err
	}
	if writes, err = s.newFollowing(p.now).tell(ctx, c, p.gone); err != nil {
		return nil, span, err
	}
	if err := p.come(&gateFloor{s: s, ctx: ctx, c: c, now: p.now}); err != nil {
		return nil, span, err
	}
	span = s.clock.take(p.ready)
	p.place(span)
	writes = append(writes, p.writes()...)
	if roots := p.endedUps(); len(roots) > 0 {
		if err := c.do(ctx, writes...); err != nil {
			return nil, span, err
		}
		if writes, err = s.newFollowing(p.now).tell(ctx, c, roots); err != nil {
			return nil, span, err
		}
	}
	if len(p.told) > 0 {
		writes, err = p.tell(ctx, c, s.clock, writes)
	}
	return writes, span, err
}

// lookAround locks what a plan is about, and reads it: keys, then gates, then tasks. start
// sends the first statements.
func (p *plan) lookAround(f *gateFloor, ops []*insertOp, start func(context.Context, ...*stmt) error) error {
	keys := p.lookKeys(keyNames(ops))
	if !slices.ContainsFunc(ops, func(op *insertOp) bool { return gated(op.tasks) || depending(op.tasks) }) && len(f.c.known()) == 0 {
		return start(f.ctx, append(keys, p.look(ops)...)...)
	}
	if err := start(f.ctx, keys...); err != nil {
		return err
	}
	if err := f.holdOf(ops); err != nil {
		return err
	}
	if err := f.do(p.look(ops)...); err != nil {
		return err
	}
	return p.lockTaken(f.ctx, f.c)
}

func (s *Store) insertCareful(ctx context.Context, c *session, ops []*insertOp, now int64, a *along) error {
	if !c.again { // otherwise what the first try woke is woken still
		for _, op := range ops {
			op.woken = nil
		}
	}
	p := newPlan(now)
	if err := p.lookAround(&gateFloor{s: s, ctx: ctx, c: c, now: now}, ops, c.open); err != nil {
		return c.giveUp(ctx, err)
	}
	for _, op := range ops {
		p.resolve(op, c.again)
	}
	writes, span, err := s.carryOut(ctx, c, p)
	if err == nil {
		claims := a.statements(s, c)
		err = c.commit(ctx, append(writes, claims...)...)
		a.outcome(err, len(claims) > 0)
	}
	if err != nil && !errors.Is(err, errUnknown) {
		s.clock.untake(span)
	}
	return c.giveUp(ctx, err)
}
