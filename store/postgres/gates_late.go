package postgres

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// lateComer is a task with gates that a transaction has made ready, as if it had none:
// before the commit it comes to them.
type lateComer struct {
	id    task.ID
	pos   int64
	state task.State // as it stood before
	why   task.Reason
	at    int64
	woken *[]store.Woken
	now   int64
}

// enterLate lets those come to their gates that statements of the transaction have made
// ready.
func (c *session) enterLate(ctx context.Context) error {
	for len(c.late) > 0 {
		l := c.late[0]
		c.late = c.late[1:]
		f := &gateFloor{s: c.s, ctx: ctx, c: c, now: l.now, woken: l.woken, behind: true}
		row, err := f.row(l.id)
		if err != nil {
			return err
		}
		if row == nil || row.State != task.Ready || row.At != l.pos {
			continue // it was canceled after that
		}
		before := *row
		before.State, before.Reason, before.At = l.state, l.why, l.at
		if err := f.reenter(&before, row.Reason, l.pos, store.Due); err != nil {
			return err
		}
	}
	return nil
}
