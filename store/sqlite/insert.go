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
	err := s.do(ctx, rankInsert, len(tasks), func(w *writer) (err error) {
		k = woken{}
		out, err = w.insert(tasks, atomic, &k)
		return err
	})
	return out, k.list, err
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

const insertTask = `insert into task (id, lane, created_at, at, expires_at, kind, flags, prio, state, reason,
	max_attempts, parent, root, correlation, epoch, grp, keys, spec, payload)
	values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) on conflict do nothing`

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
	if err := w.insertKeys(v.Keys, t.ID); err != nil {
		return err
	}
	keys := store.EncodeKeyNames(t.Keys)
	var flags int32
	inline := t.Payload
	if len(inline) > store.InlinePayload {
		flags |= store.FlagBody
		inline = nil
	}
	if keys != nil {
		flags |= store.FlagKeys
	}
	if t.Deliver {
		flags |= store.FlagParent
	}
	state, reason, at := task.Scheduled, task.Delayed, t.Due(w.now)
	if at <= w.now {
		state, reason, at = task.Ready, task.NoReason, w.nextPosition()
	}
	n, err := w.changed(insertTask, t.ID[:], t.Lane, w.now, at, t.ExpiresAt, int64(t.Kind), flags, t.Priority, int64(state), int64(reason),
		t.MaxAttempts, idOrNull(t.Parent), idOrNull(t.Root), numberOrNull(int64(t.Correlation)), numberOrNull(int64(t.Epoch)), textOrNull(t.Group), keys, t.Spec, bytesOrNull(inline))
	if err != nil {
		return err
	}
	if n == 0 {
		out.CreatedAt, err = w.createdAt(t.ID)
		return err
	}
	if flags&store.FlagBody != 0 {
		if err := w.exec(insertPayload, t.ID[:], t.Payload); err != nil {
			return err
		}
	}
	if err := w.tellAll(t.ID, t.Tell, k); err != nil {
		return err
	}
	if state == task.Ready {
		w.last, w.unlisted = at, true
		k.add(t.Lane, t.Priority, at)
		return nil
	}
	return w.pushTimer(at, t.ID, t.Lane, state)
}

var listNewTasks = words.SQL(`insert into ready (lane, prio, pos, id) select lane, prio, at, id from task where rowid > ? and state = :ready`)

// listNew puts the ready tasks that this transaction has inserted into ready,
// all with one statement. Row numbers rise, so the new rows are the last ones.
func (w *writer) listNew() error {
	if !w.unlisted {
		return nil
	}
	w.unlisted = false
	return w.exec(listNewTasks, w.newest)
}

func (w *writer) pushReady(lane int32, prio int16, pos int64, id task.ID, k *woken) error {
	k.add(lane, prio, pos)
	return w.exec(`insert into ready (lane, prio, pos, id) values (?,?,?,?)`, lane, prio, pos, id[:])
}

// pushTimer lists a task that waits for a time, in the state that it has.
func (w *writer) pushTimer(at int64, id task.ID, lane int32, state task.State) error {
	return w.exec(`insert into timer (at, id, lane, kind) values (?,?,?,?)`, at, id[:], lane, int64(state))
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
