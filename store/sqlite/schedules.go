package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
)

const scheduleColumns = ` ns, name, rev, paused, spec, declared, edited, next_at, last_due, last_fired, last_outcome, last_task, created_at, updated_at from schedule `

func scanSchedule(row interface{ Scan(...any) error }) (s store.Schedule, err error) {
	var last []byte
	err = row.Scan(&s.Namespace, &s.Name, &s.Rev, &s.Paused, &s.Spec, &s.Declared, &s.Edited, &s.NextAt, &s.LastDue, &s.LastFired, &s.Last, &last, &s.CreatedAt, &s.UpdatedAt)
	copy(s.LastTask[:], last)
	return s, err
}

func scanSchedules(r *sql.Rows) (store.Schedule, error) { return scanSchedule(r) }

// Schedule implements store.Schedules.
func (s *Store) Schedule(ctx context.Context, ns int32, name string) (store.Schedule, error) {
	all, err := readAll(ctx, s, scanSchedules, `select`+scheduleColumns+`where ns = ? and name = ?`, ns, name)
	if err != nil || len(all) == 0 {
		return store.Schedule{}, orNotFound(err, 0)
	}
	return all[0], nil
}

// ListSchedules implements store.Schedules.
func (s *Store) ListSchedules(ctx context.Context, ns int32, after string, limit int) ([]store.Schedule, error) {
	return readAll(ctx, s, scanSchedules, `select`+scheduleColumns+`where ns = ? and name > ? order by name limit ?`, ns, after, limit)
}

// lookSchedule reads a schedule; nil when there is none.
func (w *writer) lookSchedule(n store.ScheduleName) (*store.Schedule, error) {
	st, err := w.stmt(`select` + scheduleColumns + `where ns = ? and name = ?`) //nolint:sqlclosecheck // kept by the writer
	if err != nil {
		return nil, err
	}
	s, err := scanSchedule(st.QueryRowContext(background, n.Namespace, n.Name))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	return &s, err
}

// PutSchedule implements store.Schedules.
func (s *Store) PutSchedule(ctx context.Context, next store.Schedule, was *store.Schedule, fires []store.Fire) (store.Schedule, error) {
	var put store.Schedule
	err := s.do(ctx, rankOther, 1, func(w *writer) error {
		had, err := w.lookSchedule(next.ScheduleName)
		if err != nil {
			return err
		}
		if (had == nil) != (was == nil) || had != nil && !had.SameAs(was) {
			return store.ErrChanged
		}
		put = next.Follow(had, w.now)
		put.RecordLast(fires)
		if err := w.writeSchedule(&put); err != nil {
			return err
		}
		return w.insertFires(put.ScheduleName, fires)
	})
	if err != nil {
		return store.Schedule{}, err
	}
	return put, nil
}

func (w *writer) writeSchedule(s *store.Schedule) error {
	return w.exec(`insert or replace into schedule (ns, name, rev, paused, spec, declared, edited, next_at, last_due, last_fired, last_outcome, last_task, created_at, updated_at)
		values (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		s.Namespace, s.Name, s.Rev, s.Paused, s.Spec, s.Declared, s.Edited, s.NextAt, s.LastDue, s.LastFired, int64(s.Last), idOrNull(s.LastTask), s.CreatedAt, s.UpdatedAt)
}

func (w *writer) insertFires(n store.ScheduleName, fires []store.Fire) error {
	for _, f := range fires {
		id := []byte{}
		if !f.Task.IsZero() {
			id = f.Task[:]
		}
		err := w.exec(`insert into fire (ns, schedule, due, task, fired_at, outcome, reason) values (?,?,?,?,?,?,?) on conflict do nothing`,
			n.Namespace, n.Name, f.Due, id, f.FiredAt, int64(f.Outcome), f.Reason)
		if err != nil {
			return err
		}
	}
	return nil
}

// DeleteSchedule implements store.Schedules.
func (s *Store) DeleteSchedule(ctx context.Context, ns int32, name string) error {
	return s.do(ctx, rankOther, 1, func(w *writer) error {
		n, err := w.changed(`delete from schedule where ns = ? and name = ?`, ns, name)
		if err := orNotFound(err, n); err != nil {
			return err
		}
		return w.exec(`delete from fire where ns = ? and schedule = ?`, ns, name)
	})
}

// Fires implements store.Schedules.
func (s *Store) Fires(ctx context.Context, ns int32, name string, before store.Fire, limit int) ([]store.Fire, error) {
	due, id := before.Due, before.Task[:]
	if due == 0 {
		due = 1<<63 - 1
	}
	if before.Task.IsZero() {
		id = []byte{}
	}
	return readAll(ctx, s, func(r *sql.Rows) (f store.Fire, err error) {
		var id []byte
		err = r.Scan(&f.Due, &f.FiredAt, &f.Outcome, &f.Reason, &id)
		copy(f.Task[:], id)
		return f, err
	}, `select due, fired_at, outcome, reason, task from fire where ns = ?1 and schedule = ?2 and (due, task) < (?3, ?4) order by due desc, task desc limit ?5`, ns, name, due, id, limit)
}

// DueSchedules implements store.Firer.
func (s *Store) DueSchedules(ctx context.Context, limit int) ([]store.Schedule, int64, error) {
	all, err := readAll(ctx, s, scanSchedules, `select`+scheduleColumns+`where next_at > 0 order by next_at, ns, name limit ?`, limit+1)
	if err != nil {
		return nil, 0, err
	}
	due, next := store.SplitDue(all, limit, s.clock())
	return due, next, nil
}

// Fire implements store.Firer.
func (s *Store) Fire(ctx context.Context, firings []store.Firing) ([]store.Fired, []store.Woken, error) {
	out := make([]store.Fired, len(firings))
	var k woken
	weight := 0
	for i := range firings {
		weight += 1 + len(firings[i].Times)
	}
	err := s.do(ctx, rankInsert, weight, func(w *writer) error {
		k = woken{}
		for i := range firings {
			if err := w.fire(&firings[i], &out[i], &k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return out, k.list, nil
}

func (w *writer) fire(f *store.Firing, out *store.Fired, k *woken) error {
	s, err := w.lookSchedule(f.Schedule.ScheduleName)
	if err != nil {
		return err
	}
	if !f.Stands(s) {
		*out = store.Fired{Changed: true}
		return nil
	}
	made, err := w.insert(f.Tasks(), false, k)
	if err != nil {
		return err
	}
	fires, fired := f.Done(s, made, w.now)
	*out = fired
	err = w.exec(`update schedule set next_at = ?, last_due = ?, last_fired = ?, last_outcome = ?, last_task = ? where ns = ? and name = ?`,
		s.NextAt, s.LastDue, s.LastFired, int64(s.Last), idOrNull(s.LastTask), s.Namespace, s.Name)
	if err != nil {
		return err
	}
	return w.insertFires(s.ScheduleName, fires)
}

// TrimFires implements store.Firer.
func (s *Store) TrimFires(ctx context.Context, after store.ScheduleName, limit, keep int, before int64) (store.ScheduleName, error) {
	names, err := readAll(ctx, s, func(r *sql.Rows) (n store.ScheduleName, err error) {
		return n, r.Scan(&n.Namespace, &n.Name)
	}, `select ns, name from schedule where (ns, name) > (?, ?) order by ns, name limit ?`, after.Namespace, after.Name, limit)
	if err != nil || len(names) == 0 {
		return store.ScheduleName{}, err
	}
	err = s.do(ctx, rankOther, len(names), func(w *writer) error {
		for _, n := range names {
			err := w.exec(`delete from fire where ns = ?1 and schedule = ?2 and due < max(?3, coalesce(
				(select due from fire where ns = ?1 and schedule = ?2 order by due desc limit 1 offset ?4), 0))`, n.Namespace, n.Name, before, keep-1)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if len(names) < limit {
		return store.ScheduleName{}, err
	}
	return names[len(names)-1], err
}
