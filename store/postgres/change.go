package postgres

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Change changes a task that has not started; see store.Operator.
func (s *Store) Change(ctx context.Context, c *store.Change) (woken []store.Woken, err error) {
	err = s.operate(ctx, "change", c.ID, func(ctx context.Context, row *store.Row) error {
		if _, _, err := c.Next(row, s.clock.now()); err != nil {
			return err
		}
		woken, err = s.gateChange(ctx, func(f *gateFloor) error { return f.change(c, row) })
		return err
	})
	return woken, err
}

// change changes a task, as long as it is as it was seen: errRace when it is not. Its keys
// are locked first, then its gates, the entry of the list that it is on, and the task.
func (f *gateFloor) change(c *store.Change, seen *store.Row) error {
	writes, err := f.rename(c)
	if err != nil {
		return err
	}
	gates, err := store.DecodeGates(seen.Gates)
	if err == nil && c.Gates != nil {
		gates = append(gates, *c.Gates...)
	}
	if err == nil && len(gates) > 0 {
		err = f.holdFor(gates)
	}
	if err != nil {
		return err
	}
	row, err := f.rowWithEntry(c.ID)
	switch {
	case err != nil:
		return err
	case row == nil:
		return store.ErrNotFound
	case row.State != seen.State || row.Token != seen.Token || row.At != seen.At || row.Run != seen.Run || row.Flags != seen.Flags || string(row.Gates) != string(seen.Gates):
		return errRace
	}
	next, move, err := c.Next(row, f.now)
	if err != nil {
		return err
	}
	if row.Place() == store.InReady || row.Place() == store.InTimer {
		writes = append(writes, f.unlist(row)...)
	}
	if err := f.do(append(writes, putChange(&next, c)...)...); err != nil {
		return err
	}
	return f.move(row, &next, move)
}

// move has a changed task, which is on no list that has to do with time, stand where it is to.
func (f *gateFloor) move(row, next *store.Row, how store.Move) error {
	switch {
	case how == store.Comes && next.Flags&store.FlagGate != 0:
		return f.come(next, task.NoReason, f.s.clock.take(1).first)
	case how == store.Comes:
		f.stand(next, store.Placement{Entry: store.Enter(next.Entrant(), task.NoReason), Flags: next.Flags}, f.s.clock.take(1).first)
		return nil
	case how == store.Defers && row.AtGates():
		if err := f.leave(row); err != nil {
			return err
		}
	}
	switch {
	case next.Place() != store.InRelation:
		f.stand(next, next.Standing(), next.At)
		return nil
	case next.InGateLine():
		return f.moveInLine(row, next)
	}
	return f.do(query(`update sendoff.need set lane = $2 where task = $1`).id(row.ID).i4(next.Lane))
}

var (
	putChangeSQL = words.SQL(`
update sendoff.task set spec = $2, max_attempts = $3, lane = $4, prio = $5, at = $6, expires_at = $7, gates = $8,
 flags = (flags & ~(:flag_body | :flag_holds | :flag_slot)) | ($9 & (:flag_body | :flag_holds | :flag_slot))
where id = $1`)
	putPayloadSQL  = `update sendoff.task set payload = $2 where id = $1`
	dropPayloadSQL = words.SQL(`delete from sendoff.body where task = $1 and part = :part_payload`)
	moveInLineSQL  = `update sendoff.line set prio = $5, lane = $6 where gate = $1 and prio = $2 and at = $3 and task = $4`
	dropKeySQL     = `delete from sendoff.key where ns = $1 and kind = $2 and hash = $3`
)

// putChange writes what a change makes of a task, but for where it stands.
func putChange(next *store.Row, c *store.Change) []*stmt {
	stmts := []*stmt{query(putChangeSQL).
		id(next.ID).bytes(next.Spec).i4(next.MaxAttempts).i4(next.Lane).i2(next.Priority).i8(next.At).i8(next.ExpiresAt).null(next.Gates).i4(next.Flags)}
	if c.Payload == nil {
		return stmts
	}
	stmts = append(stmts, query(putPayloadSQL).id(next.ID).null(store.Inline(*c.Payload)), query(dropPayloadSQL).id(next.ID))
	if next.Flags&store.FlagBody != 0 {
		stmts = append(stmts, query(insertBodiesSQL).
			ids(1, func(int) task.ID { return next.ID }).
			blobs(1, func(int) []byte { return *c.Payload }))
	}
	return stmts
}

// moveInLine has a task that stands in line do so under another lane or priority.
func (f *gateFloor) moveInLine(row, next *store.Row) error {
	moves, err := row.LineMoves(next)
	if err != nil {
		return err
	}
	stmts := make([]*stmt, len(moves))
	for i, m := range moves {
		stmts[i] = query(moveInLineSQL).id(task.ID(m.From.Gate)).i2(m.From.Priority).i8(m.From.At).id(m.From.Task).i2(m.To.Priority).i4(m.To.Lane)
	}
	return f.do(stmts...)
}

// rename locks the keys of a task, and returns what gives its unique one another hash.
func (f *gateFloor) rename(c *store.Change) ([]*stmt, error) {
	if c.Unique == nil {
		return nil, nil
	}
	var keys []store.HeldKey
	err := f.do(query(`select keys from sendoff.task where id = $1`).id(c.ID).rows(func(r *wireRow) { keys = store.DecodeKeyNames(r.bytes()) }))
	if err != nil {
		return nil, err
	}
	var names []store.KeyName
	for _, k := range keys {
		if k.Kind == store.UniqueKey && k.Hash == c.Unique.From {
			names = append(names, k.KeyName, store.KeyName{Namespace: k.Namespace, Kind: k.Kind, Hash: c.Unique.To})
		}
	}
	p := newPlan(f.now)
	if err := f.do(p.lookKeys(names)...); err != nil {
		return nil, err
	}
	r, err := store.Rename(c.ID, keys, *c.Unique, p.resolver.Taken, p.now)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	var stmts []*stmt
	for _, name := range r.Gone {
		stmts = append(stmts, query(dropKeySQL).i4(name.Namespace).i2(int16(name.Kind)).bytes(name.Hash[:]))
	}
	if len(r.Entries) > 0 {
		stmts = append(stmts, writeKeys(r.Entries))
	}
	return append(stmts, query(`update sendoff.task set keys = $2 where id = $1`).id(c.ID).null(store.EncodeHeldKeys(r.Names))), nil
}
