package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// callBack makes the tasks that a task has asked for, whose end t tells. Their keys see
// to it that each is made once for a run, however often that is tried. One that was
// deleted calls nobody back.
func (e *Engine) callBack(ctx context.Context, t store.Todo) error {
	rows, err := e.tasks.Rows(ctx, []task.ID{t.Task})
	if err != nil || len(rows) == 0 {
		return err
	}
	ended := &rows[0]
	shown, err := api.Ended(ctx, ended, e.tasks)
	if err != nil {
		return err
	}
	payload := slices.Concat([]byte(`{"task":`), shown, []byte("}"))
	subs := accept.CallbacksAfter(e.catalog.ByID(ended.Lane).Namespace, ended.Spec, t.End, ended.PublicID(), payload)
	for i := range subs {
		subs[i].Spec.Trace = ended.Spec.TraceOf(ended.ID).Below(task.SpanOf(ended.ID))
		subs[i].Own = store.HashOf([]byte("callback"), t.Task[:], strconv.AppendInt(nil, t.Token, 10), []byte{byte(i)})
	}
	results, err := e.acceptor.AcceptOwn(ctx, subs)
	if err != nil {
		return err
	}
	for i := range results {
		if bad, invalid := errors.AsType[task.Invalid](results[i].Err); invalid {
			e.cfg.Log.Warn("a callback was not made: it is not accepted any more", "task_id", ended.PublicID(), "err", bad)
		}
	}
	return nil
}
