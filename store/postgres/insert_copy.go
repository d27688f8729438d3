package postgres

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// copy writes the rows of a plan that nothing can be in the way of.
func (p *plan) copy(ctx context.Context, c *session) error {
	if err := c.begin(ctx); err != nil {
		return c.giveUp(ctx, err)
	}
	err := c.copy(ctx, `copy sendoff.task (id, created_at, expires_at, at, lane, flags, max_attempts, prio, kind, state, reason, parent, root, grp, spec, payload, correlation, epoch) from stdin binary`,
		p.copyTasks())
	if ready := p.in(task.Ready); err == nil && len(ready) > 0 {
		err = c.copy(ctx, `copy sendoff.ready (pos, lane, prio, id) from stdin binary`, copyRows(len(ready), 4, 62, func(b []byte, i int) []byte {
			r := ready[i]
			return putID(put2(put4(put8(b, r.at), r.Lane), r.Priority), r.ID)
		}))
	}
	if timers := p.in(task.Scheduled); err == nil && len(timers) > 0 {
		err = c.copy(ctx, `copy sendoff.timer (at, lane, id) from stdin binary`, copyRows(len(timers), 3, 56, func(b []byte, i int) []byte {
			r := timers[i]
			return putID(put4(put8(b, r.at), r.Lane), r.ID)
		}))
	}
	if bodies := p.bodies(); err == nil && len(bodies) > 0 {
		err = c.copy(ctx, `copy sendoff.body (task, part, bytes) from stdin binary`, copyRows(len(bodies), 3, 4096, func(b []byte, i int) []byte {
			return putBytes(put2(putID(b, bodies[i].ID), store.PartPayload), bodies[i].Payload)
		}))
	}
	if err == nil {
		err = c.commit(ctx)
	}
	return c.giveUp(ctx, err)
}

func (p *plan) copyTasks() []byte {
	size := 160
	for i := range min(len(p.rows), 10) {
		size = max(size, 160+len(p.rows[i].Spec)+len(p.rows[i].Payload))
	}
	return copyRows(len(p.rows), 18, min(size, 2048), func(b []byte, i int) []byte {
		r := &p.rows[i]
		b = putID(b, r.ID)
		b = put8(put8(put8(b, p.now), r.ExpiresAt), r.at)
		b = put4(put4(put4(b, r.Lane), r.flags), r.MaxAttempts)
		b = put2(put2(put2(put2(b, r.Priority), int16(r.Kind)), int16(r.state)), int16(r.reason))
		b = putID(putID(b, r.Parent), r.Root)
		b = putText(b, r.Group)
		b = putBytes(putBytes(b, present(r.Spec)), store.Inline(r.Payload))
		if r.Correlation == 0 && r.Epoch == 0 {
			return putNull(putNull(b))
		}
		return put4(put8(b, int64(r.Correlation)), r.Epoch)
	})
}

// copyRows encodes rows for COPY in binary.
func copyRows(n, columns, size int, fill func(b []byte, i int) []byte) []byte {
	b := make([]byte, 0, 32+n*(size+2))
	b = append(b, "PGCOPY\n\377\r\n\000"...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // flags, no extension
	for i := range n {
		b = binary.BigEndian.AppendUint16(b, uint16(columns))
		b = fill(b, i)
	}
	return append(b, 0xff, 0xff)
}

func (c *session) copy(ctx context.Context, sql string, data []byte) error {
	if err := c.unsent(ctx); err != nil {
		return err
	}
	if _, err := c.conn.CopyFrom(ctx, bytes.NewReader(data), sql); err != nil {
		return c.judge(err)
	}
	return nil
}
