package operate

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const (
	actionStep  = 500 // tasks of a transaction
	actionLease = 15 * time.Second
	actionHands = 4 // actions that this node carries out at a time
)

// Run carries out actions until ctx ends.
func (as *Actions) Run(ctx context.Context) error {
	hands := make(chan struct{}, actionHands)
	var work sync.WaitGroup
	defer work.Wait()
	var dropped time.Time
	for {
		if time.Since(dropped) > time.Minute {
			dropped = time.Now()
			if _, err := as.cfg.Store.DropActions(ctx, as.cfg.Store.Now()-store.KeepActions, 10); err != nil && ctx.Err() == nil {
				as.cfg.Log.Warn("deleting old actions failed", "err", err)
			}
		}
		taken, err := as.cfg.Store.TakeActions(ctx, actionLease.Microseconds(), actionHands-len(hands))
		if err != nil && ctx.Err() == nil {
			as.cfg.Log.Warn("looking for actions failed", "err", err)
		}
		for _, a := range taken {
			hands <- struct{}{}
			work.Go(func() {
				defer func() { <-hands }()
				if err := as.carryOut(ctx, &a); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrNotYours) {
					as.cfg.Log.Warn("an action stopped, it goes on soon", "action", a.ID, "err", err)
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-as.knock:
		case <-time.After(time.Second + rand.N(time.Second)):
		}
	}
}

// carryOut does an action step by step until it has ended, or somebody else has it.
func (as *Actions) carryOut(ctx context.Context, a *store.Action) error {
	var p actionPlan
	var at progress
	if err := errors.Join(json.Unmarshal(a.Body, &p), json.Unmarshal(a.Progress, &at)); err != nil {
		return err
	}
	for over := false; !over; {
		began := time.Now()
		var err error
		var n int
		if n, over, err = as.stepOf(ctx, a, &p, &at); err != nil {
			return err
		}
		if over || p.Rate == 0 || n == 0 {
			continue
		}
		took := time.Since(began)
		select { // at a rate, it leaves four fifths of the writer's time to others
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(max(time.Duration(n)*time.Second/time.Duration(p.Rate)-took, 4*took), actionLease/2)):
		}
	}
	as.cfg.Log.Info("an action has ended", "action", a.ID, "verb", string(p.Verb), "done", at.Done, "passed", at.Passed, "failed", at.Failed)
	return as.cfg.Store.PutAudit(ctx, []store.AuditRow{{
		Namespace: a.Namespace, KeyID: p.By.Key, Name: p.By.Name, Address: p.By.Address, Action: "end-action", Target: a.ID.String(), Count: at.Done, Result: "ok", Reason: p.Reason,
	}})
}

// stepOf does the next step, and returns how many tasks it was about.
func (as *Actions) stepOf(ctx context.Context, a *store.Action, p *actionPlan, at *progress) (n int, over bool, err error) {
	next := *at
	tasks, over, err := as.page(ctx, a.Namespace, p, &next, func(*Task) { next.Passed++ })
	if err != nil {
		return 0, false, err
	}
	rows, apart := as.split(p.Verb, tasks)
	stopped, err := as.stop(ctx, apart, &next)
	if err != nil {
		return 0, false, err
	}
	rows, changes, err := as.revise(ctx, p, rows, &next)
	if err != nil {
		return 0, false, err
	}
	var result progress
	step := store.ActionStep{ID: a.ID, Fence: a.Fence, Lease: actionLease.Microseconds(), Verb: p.Verb, Tasks: rows, Changes: changes, Report: func(errs []error) store.ActionReport {
		result = next
		r := store.ActionReport{State: store.ActionRunning}
		if over {
			r.State = store.ActionDone
		}
		for i, err := range errs {
			if err != nil {
				result.Passed++
				continue
			}
			result.Done++
			r.Items = keepItem(r.Items, a.Items, rows[i].ID, rows[i].Run, p.Verb)
		}
		for _, id := range stopped {
			r.Items = keepItem(r.Items, a.Items, id, 0, p.Verb)
		}
		r.Progress, _ = json.Marshal(result) // numbers cannot fail
		return r
	}}
	woken, err := as.cfg.Store.StepAction(ctx, step)
	as.cfg.Tasks.wake(woken)
	if err != nil {
		return 0, false, err
	}
	a.Items = min(a.Items+result.Done-at.Done, store.MaxActionItems)
	*at = result
	as.cfg.Saw(a.Namespace, a.ID)
	as.after(ctx, p.Verb, rows)
	as.due(changes)
	return len(tasks), over, nil
}

// keepItem adds a task that was acted on, as long as there are few.
func keepItem(items []store.ActionItem, had int64, id task.ID, run int32, v store.Verb) []store.ActionItem {
	seq := had + int64(len(items)) + 1
	if seq > store.MaxActionItems {
		return items
	}
	if v == store.RetryThem {
		run++
	}
	return append(items, store.ActionItem{Seq: seq, Task: id, Run: run})
}

// split sets those apart that are to be stopped, or have calls or something to undo.
func (as *Actions) split(v store.Verb, tasks []Task) (rows []store.Row, apart []task.ID) {
	for i := range tasks {
		if row := &tasks[i].Row; v == store.CancelThem && (row.Flags&store.FlagWaits != 0 || row.State == task.Running) {
			apart = append(apart, row.ID)
		} else {
			rows = append(rows, *row)
		}
	}
	return rows, apart
}

// stop cancels tasks of which each takes more than its own transaction.
func (as *Actions) stop(ctx context.Context, apart []task.ID, at *progress) (stopped []task.ID, err error) {
	for _, id := range apart {
		switch err := as.cancelApart(ctx, id); {
		case err == nil:
			at.Done++
			stopped = append(stopped, id)
		case store.PassedOver(err):
			at.Passed++
		default:
			return nil, err
		}
	}
	return stopped, nil
}

func (as *Actions) cancelApart(ctx context.Context, id task.ID) error {
	_, err := as.cfg.Tasks.Cancel(ctx, id.String())
	return err
}

// after tells who waits for the tasks, and has their queues be used again.
func (as *Actions) after(ctx context.Context, v store.Verb, rows []store.Row) {
	ts, lanes := as.cfg.Tasks, map[int32]bool{}
	for i := range rows {
		if lanes[rows[i].Lane] = true; v == store.CancelThem {
			ts.Ended(rows[i].ID)
		}
	}
	for id := range lanes {
		if l := ts.cfg.Lanes.ByID(id); l.Forgotten && v == store.RetryThem {
			if _, err := ts.cfg.Lanes.Lane(ctx, l.Namespace, l.Queue, l.Pool); err != nil {
				as.cfg.Log.Warn("a queue that is used again could not be made known", "queue", l.Queue, "err", err)
			}
		}
	}
}

// page looks for the next tasks of an action, and gives passed those to which nothing is to
// be done. It moves at behind them.
func (as *Actions) page(ctx context.Context, namespace int32, p *actionPlan, at *progress, passed func(*Task)) (tasks []Task, over bool, err error) {
	now := as.cfg.Store.Now()
	take := func(t *Task) {
		if p.Verb.Can(&t.Row) == nil && !p.To.there(t, now) {
			tasks = append(tasks, *t)
		} else {
			passed(t)
		}
	}
	switch {
	case !p.UndoOf.IsZero():
		over, err = as.pageOfItems(ctx, namespace, p, at, take)
	case len(p.IDs) > 0:
		over, err = true, as.each(ctx, namespace, p.IDs, take)
	default:
		over, err = as.pageOfFilter(ctx, namespace, p, at, func(t *Task) bool { take(t); return len(tasks) < actionStep })
	}
	return tasks, over, err
}

// each gives the tasks that are there.
func (as *Actions) each(ctx context.Context, namespace int32, ids []task.ID, do func(*Task)) error {
	ts := as.cfg.Tasks
	rows, err := ts.cfg.Store.Rows(ctx, ids)
	if err == nil {
		err = ts.knowLanes(ctx, rows)
	}
	for _, row := range rows {
		if t := view(row, ts.cfg.Lanes); ts.cfg.Lanes.ByID(row.Lane).Namespace == namespace {
			do(&t)
		}
	}
	return err
}

// pageOfItems gives the tasks of another action that are as that left them.
func (as *Actions) pageOfItems(ctx context.Context, namespace int32, p *actionPlan, at *progress, take func(*Task)) (over bool, err error) {
	items, err := as.cfg.Store.ActionItems(ctx, p.UndoOf, at.Index, actionStep)
	if err != nil || len(items) == 0 {
		return true, err
	}
	at.Index = items[len(items)-1].Seq
	runs, ids := map[task.ID]int32{}, make([]task.ID, len(items))
	for i, item := range items {
		ids[i], runs[item.Task] = item.Task, item.Run
	}
	err = as.each(ctx, namespace, ids, func(t *Task) {
		same := runs[t.ID] == 0 || runs[t.ID] == t.Run
		if same && (p.Verb == store.CancelThem && t.FirstStarted == 0 || p.Verb == store.RetryThem && t.State == task.Canceled) {
			take(t)
			return
		}
		at.Passed++
	})
	return len(items) < actionStep, err
}

// pageOfFilter gives the tasks that a filter selects and that are not beyond the bound.
func (as *Actions) pageOfFilter(ctx context.Context, namespace int32, p *actionPlan, at *progress, take func(*Task) bool) (over bool, err error) {
	var bad task.Invalid
	f := ParseFilter(p.Params, &bad)
	if err := bad.Err(); err != nil {
		return false, err
	}
	f.Namespace, f.Limit = namespace, maxPage
	if len(f.States) == 1 && f.States[0] == task.Failed {
		f.Sort = "-finished_at" // what fails from now on comes before where it begins
	}
	w, err := as.cfg.Tasks.walk(ctx, &f)
	if err != nil {
		return false, err
	}
	w.begin(at.Mark, p.Bound)
	more := true
	err = w.each(ctx, func(t Task, m store.Mark) bool {
		at.Mark = m
		if compareIDs(t.ID, p.Bound.ID) < 0 && t.FinishedAt <= p.Bound.At {
			more = take(&t)
		}
		return more
	})
	if more && err == nil && !w.over {
		at.Mark = w.at
	}
	return more && w.over, err
}

// begin has the walk go on behind a mark, or at a bound.
func (w *walk) begin(at store.Mark, bound Bound) {
	if at == (store.Mark{}) {
		at = store.Mark{ID: bound.ID}
		if w.by != store.ByCreation {
			at = store.Mark{At: bound.At + 1}
		}
	}
	if w.at = at; w.by == store.ByCreation && (w.q.Before.IsZero() || compareIDs(at.ID, w.q.Before) < 0) {
		w.q.Before = at.ID
	}
}
