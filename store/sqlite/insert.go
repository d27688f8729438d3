package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Insert implements store.Inserter.
func (s *Store) Insert(ctx context.Context, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	var out []store.Inserted
	var k woken
	if err := s.room.enough(); err != nil {
		return nil, nil, err
	}
	err := s.do(ctx, rankInsert, len(tasks), func(w *writer) (err error) {
		k = woken{}
		out, err = w.insert(tasks, atomic, &k)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return out, k.list, nil
}

func (w *writer) insert(tasks []store.NewTask, atomic bool, k *woken) ([]store.Inserted, error) {
	verdicts, err := w.resolve(tasks, atomic)
	if err != nil {
		return nil, err
	}
	out := make([]store.Inserted, len(tasks))
	for i := range tasks {
		out[i] = verdicts[i].Inserted
		switch out[i].Status {
		case store.Created:
			err = w.insertOne(&tasks[i], &verdicts[i], &out[i], k)
		case store.Existing, store.Conflict, store.Mismatch:
			if err = w.insertKeys(verdicts[i].Keys, out[i].ID); err == nil {
				out[i].CreatedAt, err = w.createdAt(out[i].ID)
			}
			if err == nil && verdicts[i].Tell {
				err = w.tellAll(out[i].ID, tasks[i].Tell, k)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (w *writer) createdAt(id task.ID) (at int64, err error) {
	err = w.one(`select created_at from task where id = ?`, []any{id[:]}, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return at, err
}

// Most tasks are plain: each value that is bound costs them 1 % of the insert.
const (
	insertPlain = `insert into task (id, lane, created_at, at, expires_at, kind, flags, prio, state, reason, max_attempts, spec, payload)
	values (?,?,?,?,?,?,?,?,?,?,?,?,?) on conflict do nothing`
	insertTask = `insert into task (id, lane, created_at, at, expires_at, kind, flags, prio, state, reason, max_attempts, spec, payload,
	parent, root, correlation, epoch, grp, keys, gates)
	values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) on conflict do nothing`
)

// insertRow writes the row of a new task, and tells whether it was not there yet.
func (w *writer) insertRow(t *store.NewTask, p *store.Placement, at int64, gates []byte) (bool, error) {
	query := insertPlain
	args := append(make([]any, 0, 20), t.ID[:], t.Lane, w.now, at, t.ExpiresAt, int64(t.Kind), p.Flags, t.Priority, int64(p.State), int64(p.Reason),
		t.MaxAttempts, t.Spec, bytesOrNull(store.Inline(t.Payload)))
	related := !t.Parent.IsZero() || !t.Root.IsZero() || t.Correlation != 0 || t.Epoch != 0
	if related || t.Group != "" || p.Flags&store.FlagKeys != 0 || gates != nil {
		query = insertTask
		args = append(args, idOrNull(t.Parent), idOrNull(t.Root), numberOrNull(int64(t.Correlation)), numberOrNull(int64(t.Epoch)), textOrNull(t.Group),
			store.EncodeKeyNames(t.Keys), gates)
	}
	n, err := w.changed(query, args...)
	return n > 0, err
}

var insertPayload = words.SQL(`insert into body (task, part, bytes) values (?, :part_payload, ?)`)

// insertOne stores a task whose keys are free. A task that is there already, of
// a submission repeated after an unknown outcome, is left as it is.
func (w *writer) insertOne(t *store.NewTask, v *store.Verdict, out *store.Inserted, k *woken) error {
	if v.Inserted.CreatedAt == 0 { // stored by an earlier try
		var err error
		out.CreatedAt, err = w.createdAt(t.ID)
		return err
	}
	if !v.Cancel.IsZero() {
		if _, err := w.cancel(v.Cancel, task.Replaced, store.Alone, k); err != nil {
			return err
		}
	}
	p, need, ends := store.Placed(t, w.now), store.Need{}, []task.End(nil)
	if len(v.Deps) > 0 {
		var err error
		if ends, err = w.depend(v.Deps); err != nil {
			return err
		}
		need = store.NeedOf(t.ID, t.Lane, t.When, ends)
		p = p.Depending(&need)
	}
	gates := store.EncodeGates(t.Gates)
	if gates != nil && p.State == task.Ready {
		stored, err := w.enterNew(t, &p, gates, out, k)
		if err != nil || !stored {
			return err
		}
	}
	if err := w.insertKeys(v.Keys, t.ID); err != nil {
		return err
	}
	at := p.Due
	if p.State == task.Ready {
		at = w.nextPosition()
	}
	added, err := w.insertRow(t, &p, at, gates)
	if err != nil {
		return err
	}
	if !added {
		out.CreatedAt, err = w.createdAt(t.ID)
		return err
	}
	return w.insertBeside(t, v, &p, &need, ends, at, k)
}

// insertBeside writes what is kept beside the row of a new task, and lists it.
func (w *writer) insertBeside(t *store.NewTask, v *store.Verdict, p *store.Placement, need *store.Need, ends []task.End, at int64, k *woken) error {
	if p.Flags&store.FlagBody != 0 {
		if err := w.exec(insertPayload, t.ID[:], t.Payload); err != nil {
			return err
		}
	}
	if len(v.Deps) > 0 {
		if err := w.insertDeps(need, v.Deps, ends); err != nil {
			return err
		}
	}
	if p.State == task.Canceled {
		return w.neverRuns(t, p, k)
	}
	if err := w.tellAll(t.ID, t.Tell, k); err != nil {
		return err
	}
	return w.listNewTask(t, p, at, k)
}

func (w *writer) listNewTask(t *store.NewTask, p *store.Placement, at int64, k *woken) error {
	if p.State == task.Ready {
		w.last, w.unlisted = at, true
		k.add(p.Lane, p.Priority, at)
		return nil
	}
	w.waiting[t.ID] = true
	if p.Place() != store.InTimer {
		return nil
	}
	return w.pushTimer(at, t.ID, t.Lane, p.State)
}

// neverRuns ends a new task that what it depends on does not let run.
func (w *writer) neverRuns(t *store.NewTask, p *store.Placement, k *woken) error {
	if err := w.exec(cancelTask, int64(p.Reason), w.now, t.ID[:]); err != nil {
		return err
	}
	row := store.Row{ID: t.ID, Kind: t.Kind, Run: 1, Flags: p.Flags, Parent: t.Parent, Epoch: t.Epoch, Correlation: t.Correlation}
	return w.ended(&row, p.State, p.Reason, "", nil, k)
}

// enterNew lets a task come to its gates that is being stored; false when it is not to
// be, because it is there already or its gates drop it.
func (w *writer) enterNew(t *store.NewTask, p *store.Placement, gates []byte, out *store.Inserted, k *woken) (bool, error) {
	there, err := w.createdAt(t.ID)
	if err != nil || there != 0 {
		out.CreatedAt = there
		return false, err
	}
	row := store.Row{ID: t.ID, Lane: t.Lane, Priority: t.Priority, Kind: t.Kind, Flags: p.Flags, Gates: gates}
	e, err := w.enterGates(&row, store.Newcomer, p.Reason, k)
	if err == nil && e.Dropped() {
		out.Status, out.ID = store.Dropped, e.Holder
		out.CreatedAt, err = w.createdAt(e.Holder)
		return false, err
	}
	*p = e.Placement
	return true, err
}

func idOrNull(id task.ID) any {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

func numberOrNull(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func bytesOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}
