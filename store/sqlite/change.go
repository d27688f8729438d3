package sqlite

import (
	"context"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Change implements store.Operator.
func (s *Store) Change(ctx context.Context, c *store.Change) ([]store.Woken, error) {
	return s.wake(ctx, c.ID, func(w *writer, row *store.Row, k *woken) error { return w.change(row, c, k) })
}

func (w *writer) change(row *store.Row, c *store.Change, k *woken) error {
	next, move, err := c.Next(row, w.now)
	if err == nil && c.Unique != nil {
		err = w.rename(row.ID, *c.Unique)
	}
	if err == nil && (row.Place() == store.InReady || row.Place() == store.InTimer) {
		err = w.unlist(row)
	}
	if err == nil {
		err = w.putChange(&next, c)
	}
	switch {
	case err != nil:
		return err
	case move == store.Comes:
		return w.makeReady(row.ID, next.Entrant(), task.NoReason, w.position(), k)
	case move == store.Defers && row.AtGates():
		err = w.leaveGates(row, true, k)
	}
	switch {
	case err != nil:
		return err
	case next.Place() != store.InRelation:
		return w.stand(&next, next.Standing(), next.At, k)
	case next.InGateLine():
		return w.moveInLine(row, &next)
	}
	return w.exec(`update need set lane = ? where task = ?`, next.Lane, row.ID[:])
}

// putChange writes what a change makes of a task, but for where it stands.
func (w *writer) putChange(next *store.Row, c *store.Change) error {
	err := w.exec(`update task set spec = ?, max_attempts = ?, lane = ?, prio = ?, at = ?, expires_at = ?, gates = ?, flags = ? where id = ?`,
		next.Spec, next.MaxAttempts, next.Lane, next.Priority, next.At, next.ExpiresAt, bytesOrNull(next.Gates), next.Flags, next.ID[:])
	if err != nil || c.Payload == nil {
		return err
	}
	err = errors.Join(
		w.exec(`update task set payload = ? where id = ?`, bytesOrNull(store.Inline(*c.Payload)), next.ID[:]),
		w.exec(dropPayload, next.ID[:]))
	if err == nil && next.Flags&store.FlagBody != 0 {
		err = w.exec(insertPayload, next.ID[:], *c.Payload)
	}
	return err
}

var dropPayload = words.SQL(`delete from body where task = ? and part = :part_payload`)

// moveInLine has a task that stands in line do so under another lane or priority.
func (w *writer) moveInLine(row, next *store.Row) error {
	moves, err := row.LineMoves(next)
	for _, m := range moves {
		err = errors.Join(err, w.exec(`update line set prio = ?, lane = ? where gate = ? and prio = ? and at = ? and task = ?`,
			m.To.Priority, m.To.Lane, m.From.Gate[:], m.From.Priority, m.From.At, m.From.Task[:]))
	}
	return err
}

// rename gives the unique key of a task another hash.
func (w *writer) rename(id task.ID, as store.Renaming) error {
	var names []byte
	if err := w.one(`select keys from task where id = ?`, []any{id[:]}, &names); err != nil {
		return err
	}
	keys, taken := store.DecodeKeyNames(names), map[store.KeyName]*store.Taken{}
	for _, key := range keys {
		renamed := key.KeyName
		renamed.Hash = as.To
		if err := errors.Join(w.lookUp(key.KeyName, taken), w.lookUp(renamed, taken)); err != nil {
			return err
		}
	}
	r, err := store.Rename(id, keys, as, taken, w.now)
	if err != nil {
		return err
	}
	for _, name := range r.Gone {
		err = errors.Join(err, w.exec(`delete from key where ns = ? and kind = ? and hash = ?`, name.Namespace, int64(name.Kind), name.Hash[:]))
	}
	return errors.Join(err, w.writeKeys(r.Entries), w.exec(`update task set keys = ? where id = ?`, bytesOrNull(store.EncodeHeldKeys(r.Names)), id[:]))
}
