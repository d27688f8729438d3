package operate

import (
	"context"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// there tells whether a task that has not started is as the action would make it.
func (to *ActionTo) there(t *Task, now int64) bool {
	switch {
	case to.Queue != "":
		return t.Queue == to.Queue
	case to.RunAt.IsZero():
		return false
	case t.State == task.Scheduled:
		return t.At == to.RunAt.UnixMicro()
	}
	return t.State == task.Ready && to.RunAt.UnixMicro() <= now
}

// revise makes the changes of tasks. Those that cannot be changed so, because they expire
// before they are to start, are passed over.
func (as *Actions) revise(ctx context.Context, p *actionPlan, rows []store.Row, at *progress) (kept []store.Row, changes []*store.Change, err error) {
	if !p.Verb.Changes() {
		return rows, nil, nil
	}
	ts, want := as.cfg.Tasks, task.Revision{Queue: p.To.Queue, RunAt: p.To.RunAt}
	for i := range rows {
		c, err := ts.cfg.Revise(ctx, &rows[i], ts.cfg.Lanes.ByID(rows[i].Lane), &want)
		_, refused := errors.AsType[task.Invalid](err)
		switch {
		case refused:
			at.Passed++
		case errors.Is(err, store.ErrTooManyQueues):
			at.Failed++
		case err != nil:
			return nil, nil, err
		default:
			kept, changes = append(kept, rows[i]), append(changes, c)
		}
	}
	return kept, changes, nil
}

// due tells the node when the first of changed tasks is due.
func (as *Actions) due(changes []*store.Change) {
	first := int64(0)
	for _, c := range changes {
		if c.Due != nil && (first == 0 || *c.Due < first) {
			first = *c.Due
		}
	}
	if first > 0 {
		as.cfg.Tasks.cfg.Due(first)
	}
}
