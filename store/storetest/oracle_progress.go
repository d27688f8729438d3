package storetest

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) Report(_ context.Context, h store.Held, p store.Progress) error {
	row := o.tasks[h.ID]
	if row == nil || row.State != task.Running || row.Token != h.Token {
		return store.ErrLeaseLost
	}
	p.Token, p.At = h.Token, o.Clock()
	row.Flags |= store.FlagProgress
	o.progress[h.ID] = p
	return nil
}

func (o *Oracle) Progress(_ context.Context, id task.ID) (store.Progress, bool, error) {
	p, known := o.progress[id]
	return p, known, nil
}
