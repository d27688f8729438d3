package postgres

import (
	"context"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// gatedStep does a step with a task that has gates, as long as it is as row says; errRace
// when it is not.
func (s *Store) gatedStep(ctx context.Context, row *store.Row, step func(*gateFloor, *store.Row) error) ([]store.Woken, error) {
	return s.gateChange(ctx, func(f *gateFloor) error {
		gates, err := store.DecodeGates(row.Gates)
		if err == nil {
			err = f.holdFor(gates)
		}
		if err != nil {
			return err
		}
		now, err := f.rowWithEntry(row.ID)
		switch {
		case err != nil:
			return err
		case now == nil:
			return store.ErrNotFound
		case now.State != row.State || now.Token != row.Token || now.At != row.At || now.Run != row.Run || now.Flags != row.Flags:
			return errRace
		}
		return step(f, now)
	})
}

// lockGatesOfRow locks the gates of a task, if it has any.
func (f *gateFloor) lockGatesOfRow(row *store.Row) error {
	gates, err := store.DecodeGates(row.Gates)
	if err != nil || len(gates) == 0 {
		return err
	}
	return f.holdFor(gates)
}

func (s *Store) cancelGated(ctx context.Context, row *store.Row, reach store.Reach) ([]store.Woken, error) {
	if err := row.CanCancel(); err != nil || row.State == task.Canceled {
		return nil, err
	}
	return s.gatedStep(ctx, row, func(f *gateFloor, row *store.Row) error { return f.cancel(row.ID, task.Requested, reach) })
}

func (s *Store) deleteGated(ctx context.Context, row *store.Row) ([]store.Woken, error) {
	return s.gatedStep(ctx, row, func(f *gateFloor, row *store.Row) error {
		if err := f.cancel(row.ID, task.Requested, store.Alone); err != nil {
			return err
		}
		_, err := eraseOne(f.ctx, f.c, f.now, row, task.Canceled, 0)
		return err
	})
}

func (s *Store) runGated(ctx context.Context, row *store.Row, beyond bool) ([]store.Woken, error) {
	return s.gatedStep(ctx, row, func(f *gateFloor, row *store.Row) error {
		if err := f.do(f.unlist(row)...); err != nil {
			return err
		}
		how := row.ArrivalOf(task.NoReason)
		if beyond {
			how = store.Beyond
		}
		return f.comeAs(row, task.NoReason, s.clock.take(1).first, how)
	})
}

// RunBeyond makes a task ready whatever room there is; see store.Operator.
func (s *Store) RunBeyond(ctx context.Context, id task.ID) (woken []store.Woken, err error) {
	err = s.operate(ctx, "run beyond limits", id, func(ctx context.Context, row *store.Row) error {
		if err := row.CanRunBeyond(); err != nil || row.State == task.Ready {
			return err
		}
		if row.Flags&store.FlagGate == 0 {
			return errUngated
		}
		woken, err = s.runGated(ctx, row, true)
		return err
	})
	if errors.Is(err, errUngated) {
		return s.RunNow(ctx, id)
	}
	return woken, err
}

var errUngated = errors.New("the task has no gates")

// promote ends the wait of tasks whose timers were taken, in order. Some of them have
// gates.
func (f *gateFloor) promote(taken []due) (promoted int, err error) {
	for _, d := range taken {
		span := f.s.clock.take(1)
		if d.pos = span.first; !d.gated {
			err = f.do(enter([]entering{d.entering}, func(w store.Woken) {
				promoted++
				*f.woken = store.Collect(*f.woken, w)
			}))
		} else {
			var row *store.Row
			if row, err = f.row(d.id); err == nil && row != nil && row.Place() == store.InTimer {
				promoted++
				err = f.come(row, task.NoReason, span.first)
			}
		}
		if err != nil {
			return 0, err
		}
	}
	return promoted, nil
}

// purgeGated cancels tasks that wait, of which some have gates, and commits.
func (s *Store) purgeGated(ctx context.Context, c *session, victims []victim) (n int, woken []store.Woken, err error) {
	f := &gateFloor{s: s, ctx: ctx, c: c, now: s.clock.now(), woken: &woken}
	n, err = f.cancelAll(victims)
	if err == nil {
		c.audit.SetCount(n)
		err = c.commit(ctx)
	}
	return n, woken, err
}

// cancelAll cancels tasks that wait, in order, and returns how many it were.
func (f *gateFloor) cancelAll(victims []victim) (n int, err error) {
	ids := make([]task.ID, len(victims))
	for i := range victims {
		ids[i] = victims[i].id
	}
	if err := f.lockGatesOf(ids); err != nil {
		return 0, err
	}
	for _, v := range victims {
		row, err := f.rowWithEntry(v.id)
		if err != nil {
			return 0, err
		}
		if row == nil || row.State.Final() || row.State == task.Running {
			continue
		}
		n++
		if err := f.cancel(v.id, task.Requested, store.Alone); err != nil {
			return 0, err
		}
	}
	return n, nil
}

var putRunSQL = `update sendoff.task set run = $2, failures = $3, crashes = $4, first_started = $5, finished_at = $6, expires_at = $7, flags = $8 where id = $1`

// putRun writes what a step of a person changes of the run of a task.
func putRun(row *store.Row) *stmt {
	return query(putRunSQL).id(row.ID).i4(row.Run).i4(row.Failures).i4(row.Crashes).i8(row.FirstStarted).i8(row.FinishedAt).i8(row.ExpiresAt).i4(row.Flags)
}

// restartInLine begins a function again that keeps its place in line.
func (s *Store) restartInLine(ctx context.Context, row *store.Row) ([]store.Woken, error) {
	s.clock.take(1)
	return s.gatedStep(ctx, row, func(f *gateFloor, row *store.Row) error {
		family, ids, next := newFamily(s.clock, f.now), []task.ID{row.ID}, row.Restarted()
		if err := f.do(append(family.lock(nil, ids), putRun(&next), family.look(ids))...); err != nil {
			return err
		}
		family.leaveCalls(family.members[row.ID], row.Token, store.WithCalls)
		family.reset(family.members[row.ID], 0, nil)
		return f.do(family.statements()...)
	})
}

// undoGated begins to cancel a function. One that stands in line is told when it is let in.
func (s *Store) undoGated(ctx context.Context, row *store.Row, grace int64) ([]store.Woken, error) {
	return s.gatedStep(ctx, row, func(f *gateFloor, row *store.Row) error {
		next := row.Undone(f.now + grace)
		if err := f.do(putRun(&next)); err != nil || row.Place() != store.InTimer {
			return err
		}
		if err := f.do(f.unlist(row)...); err != nil {
			return err
		}
		return f.come(&next, task.NoReason, s.clock.take(1).first)
	})
}
