package operate

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Progress is how far the attempt is that is under way; nil when there is none, or it has not
// told.
func (ts *Tasks) Progress(ctx context.Context, t *Task) (*store.Progress, error) {
	if t.State != task.Running || t.Flags&store.FlagProgress == 0 {
		return nil, nil
	}
	p, known, err := ts.cfg.Store.Progress(ctx, t.ID)
	if err != nil || !known || p.Token != t.Token {
		return nil, err
	}
	return &p, nil
}
