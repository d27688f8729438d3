package sqlite

import (
	"database/sql"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// resolve asks the keys of the tasks, if they have any.
func (w *writer) resolve(tasks []store.NewTask, atomic bool) ([]store.Verdict, error) {
	r := store.Resolver{Now: w.now, Taken: map[store.KeyName]*store.Taken{}, There: map[task.ID]bool{}, Ups: store.Ups{}}
	for i := range tasks {
		if len(tasks[i].Keys) == 0 && len(tasks[i].Deps) == 0 {
			continue // the insert itself finds out
		}
		if err := w.lookForUps(&tasks[i], r.Ups); err != nil {
			return nil, err
		}
		at, err := w.createdAt(tasks[i].ID)
		if err != nil {
			return nil, err
		}
		r.There[tasks[i].ID] = at != 0
		for _, key := range tasks[i].Keys {
			if err := w.lookUp(key.Name(), r.Taken); err != nil {
				return nil, err
			}
		}
	}
	return r.Batch(tasks, atomic), nil
}

// lookForUps finds those of the tasks that one depends on which are stored.
func (w *writer) lookForUps(t *store.NewTask, ups store.Ups) error {
	for _, id := range t.Deps {
		end, err := w.endOf(id)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		default:
			ups[id] = store.Up{ID: id, End: end}
		}
	}
	return nil
}

func (w *writer) lookUp(name store.KeyName, taken map[store.KeyName]*store.Taken) error {
	if taken[name] != nil {
		return nil
	}
	var t store.Taken
	e := &t.Entry
	e.Namespace, e.Kind, e.Hash = name.Namespace, name.Kind, name.Hash
	var body, id []byte
	err := w.one(`select k.body, k.task, k.until, k.while_open, coalesce(t.state, 0), coalesce(t.kind, 0), coalesce(t.reason, 0) from key k left join task t on t.id = k.task
		where k.ns = ? and k.kind = ? and k.hash = ?`,
		[]any{name.Namespace, int64(name.Kind), name.Hash[:]}, &body, &id, &e.Until, &e.WhileOpen, &t.State, &t.Kind, &t.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		copy(e.Body[:], body)
		copy(e.Task[:], id)
		taken[name] = &t
	}
	return err
}

// insertKeys writes keys that belong to a task from now on.
func (w *writer) insertKeys(keys []store.Key, id task.ID) error {
	entries := make([]store.KeyEntry, len(keys))
	for i, key := range keys {
		entries[i] = store.KeyEntryFor(key, id, w.now)
	}
	return w.writeKeys(entries)
}

func (w *writer) writeKeys(entries []store.KeyEntry) error {
	for _, e := range entries {
		err := w.exec(`insert into key (ns, kind, hash, body, task, until, while_open) values (?,?,?,?,?,?,?)
			on conflict (ns, kind, hash) do update set body = excluded.body, task = excluded.task, until = excluded.until, while_open = excluded.while_open`,
			e.Namespace, int64(e.Kind), e.Hash[:], e.Body[:], e.Task[:], e.Until, e.WhileOpen)
		if err != nil {
			return err
		}
	}
	return nil
}

// reclaim gives a task that runs again its unique keys.
func (w *writer) reclaim(row *store.Row) error {
	if row.Flags&store.FlagKeys == 0 {
		return nil
	}
	var names []byte
	if err := w.one(`select keys from task where id = ?`, []any{row.ID[:]}, &names); err != nil {
		return err
	}
	keys, taken := store.DecodeKeyNames(names), map[store.KeyName]*store.Taken{}
	for _, key := range keys {
		if err := w.lookUp(key.KeyName, taken); err != nil {
			return err
		}
	}
	entries, err := store.Reclaim(row.ID, keys, taken, w.now)
	if err != nil {
		return err
	}
	return w.writeKeys(entries)
}
