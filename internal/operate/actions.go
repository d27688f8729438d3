package operate

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// ActionsConfig is the Config of Actions. Log and Saw may be nil.
type ActionsConfig struct {
	Store interface {
		store.Actions
		PutAudit(ctx context.Context, rows []store.AuditRow) error
		Now() int64
	}
	Tasks *Tasks
	NewID func() task.ID
	Log   *slog.Logger

	// Saw is told when an action has changed, or came further; nil = nobody is.
	Saw func(namespace int32, id task.ID)
}

// Actions does things to many tasks. An action is kept in the database and carried out by
// a node with the schedule role, in steps. Safe for concurrent use.
type Actions struct {
	cfg   ActionsConfig
	knock chan struct{} // capacity 1
}

// NewActions returns an Actions.
func NewActions(cfg ActionsConfig) *Actions {
	need.Fields(cfg, "Store", "Tasks", "NewID")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Saw == nil {
		cfg.Saw = func(int32, task.ID) {}
	}
	return &Actions{cfg, make(chan struct{}, 1)}
}

// DefaultRate is how many tasks a second an action does unless it is told otherwise.
const DefaultRate = 500

// MaxIDs is how many tasks an action can be given by their ids.
const MaxIDs = 500

// NewAction is what is asked for.
type NewAction struct {
	Verb   store.Verb
	To     ActionTo   // when the verb is to reschedule or to move
	Params url.Values // the filter, see ParseFilter
	IDs    []string
	Rate   int // tasks a second; 0 = as fast as it goes
	Reason string
	Bound  Bound // zero = now
}

// ActionTo is what becomes of each task: another queue, or another time to start.
type ActionTo struct {
	Queue string
	Delay *time.Duration // since the action was made; 0 is at once
	RunAt time.Time      // in place of Delay; what is past is at once
}

// Bound is up to where an action goes: tasks that were made before the id, and what ended
// before the time.
type Bound struct {
	ID task.ID
	At int64
}

// actionPlan is an action as it is kept.
type actionPlan struct {
	Verb    store.Verb
	To      ActionTo // a Delay was made a RunAt of
	Params  url.Values
	IDs     []task.ID
	UndoOf  task.ID // the action whose tasks these are
	Bound   Bound
	Rate    int
	Reason  string
	By      Actor
	Matched int
	Exact   bool
}

// Actor is who asked for an action.
type Actor struct{ Key, Name, Address string }

// progress is how far an action came.
type progress struct {
	Mark   store.Mark // of the last task that was looked at
	Index  int64      // of the last of IDs, or of the items of another action
	Done   int64
	Passed int64
	Failed int64
}

// ActionView is an action as it is shown.
type ActionView struct {
	store.Action
	Verb    store.Verb
	To      ActionTo
	Params  url.Values
	IDs     int
	UndoOf  task.ID
	Bound   Bound
	Rate    int
	Reason  string
	By      Actor
	Matched int
	Exact   bool
	Done    int64
	Passed  int64
	Failed  int64
}

// Undoable tells whether what it did can be undone: an action that has ended and whose tasks
// are all kept.
func (a *ActionView) Undoable() bool {
	return !a.State.Open() && a.State != store.ActionPaused && (a.Verb == store.CancelThem || a.Verb == store.RetryThem) &&
		a.UndoOf.IsZero() && a.Done > 0 && a.Items == a.Done
}

func viewAction(a store.Action) (v ActionView, err error) {
	var p actionPlan
	var at progress
	if err := errors.Join(json.Unmarshal(a.Body, &p), json.Unmarshal(a.Progress, &at)); err != nil {
		return v, err
	}
	return ActionView{
		Action: a, Verb: p.Verb, To: p.To, Params: p.Params, IDs: len(p.IDs), UndoOf: p.UndoOf, Bound: p.Bound, Rate: p.Rate, Reason: p.Reason, By: p.By,
		Matched: p.Matched, Exact: p.Exact, Done: at.Done, Passed: at.Passed, Failed: at.Failed,
	}, nil
}

// Preview is what an action would do.
type Preview struct {
	Bound   Bound
	Matched int
	Exact   bool           // false: there are that many at least
	Passed  map[string]int // selected, and nothing would be done to them: by their states
	Sample  []Task
}

const (
	previewTime = 2 * time.Second
	sampleSize  = 10
)

// Preview tells what an action would do, and does nothing.
func (as *Actions) Preview(ctx context.Context, n *NewAction) (Preview, error) {
	p, err := as.plan(ctx, n)
	if err != nil {
		return Preview{}, err
	}
	return as.preview(ctx, &p)
}

func (as *Actions) preview(ctx context.Context, p *actionPlan) (Preview, error) {
	out := Preview{Bound: p.Bound, Passed: map[string]int{}}
	var at progress
	for began := time.Now(); ; {
		rows, over, err := as.page(ctx, space(ctx), p, &at, func(t *Task) { out.Passed[t.State.String()]++ })
		if err != nil {
			return out, err
		}
		out.Matched += len(rows)
		for i := 0; i < len(rows) && len(out.Sample) < sampleSize; i++ {
			out.Sample = append(out.Sample, rows[i])
		}
		if out.Exact = over; over || time.Since(began) > previewTime {
			return out, nil
		}
	}
}

// Create keeps an action, which begins at once.
func (as *Actions) Create(ctx context.Context, n *NewAction) (ActionView, error) {
	p, err := as.plan(ctx, n)
	if err != nil {
		return ActionView{}, err
	}
	look, err := as.preview(store.WithoutAudit(ctx), &p)
	if err != nil {
		return ActionView{}, err
	}
	p.Matched, p.Exact = look.Matched, look.Exact
	return as.keep(ctx, &p)
}

func (as *Actions) keep(ctx context.Context, p *actionPlan) (ActionView, error) {
	a := store.Action{ID: as.cfg.NewID(), Namespace: space(ctx), State: store.ActionCounting}
	audit := store.AuditOf(ctx)
	if row, due := audit.Due(); due {
		p.By = Actor{row.KeyID, row.Name, row.Address}
	}
	if p.UndoOf.IsZero() {
		audit.SetTarget(a.ID.String())
	}
	audit.SetCount(max(p.Matched, 1))
	var err1, err2 error
	a.Body, err1 = json.Marshal(p)
	a.Progress, err2 = json.Marshal(progress{})
	if err := errors.Join(err1, err2, as.cfg.Store.PutAction(ctx, a)); err != nil {
		return ActionView{}, err
	}
	as.look()
	as.cfg.Saw(a.Namespace, a.ID)
	return as.Get(ctx, a.ID)
}

// plan makes of what is asked for what is kept: names become ids.
func (as *Actions) plan(ctx context.Context, n *NewAction) (actionPlan, error) {
	p := actionPlan{Verb: n.Verb, To: n.To, Params: n.Params, Bound: n.Bound, Rate: n.Rate, Reason: n.Reason}
	if p.Bound == (Bound{}) {
		p.Bound.At = as.cfg.Store.Now()
		p.Bound.ID = task.FloorID(time.UnixMicro(p.Bound.At).Add(time.Millisecond))
	}
	if p.To.Delay != nil {
		p.To.RunAt = time.UnixMicro(as.cfg.Store.Now()).Add(*p.To.Delay)
	}
	for _, name := range []string{"root_id", "root", "graph_run", "parent_id"} {
		if len(p.Params[name]) == 1 {
			id, err := as.cfg.Tasks.Resolve(ctx, p.Params[name][0])
			if err != nil {
				return p, err
			}
			p.Params[name] = []string{id.String()}
		}
	}
	for _, name := range n.IDs {
		id, err := as.cfg.Tasks.Resolve(ctx, name)
		if err != nil {
			return p, err
		}
		if !slices.Contains(p.IDs, id) {
			p.IDs = append(p.IDs, id)
		}
	}
	return p, nil
}

// Get returns an action of the namespace of whoever asks. store.ErrNotFound.
func (as *Actions) Get(ctx context.Context, id task.ID) (ActionView, error) {
	a, err := as.cfg.Store.Action(ctx, id)
	if err == nil && a.Namespace != space(ctx) {
		err = store.ErrNotFound
	}
	if err != nil {
		return ActionView{}, err
	}
	return viewAction(a)
}

// List returns actions below an id, the newest first.
func (as *Actions) List(ctx context.Context, before task.ID, limit int) ([]ActionView, error) {
	all, err := as.cfg.Store.ListActions(ctx, space(ctx), before, limit)
	views := make([]ActionView, len(all))
	for i := range all {
		if err == nil {
			views[i], err = viewAction(all[i])
		}
	}
	return views, err
}

// Items returns the tasks that an action was done to, behind a number.
func (as *Actions) Items(ctx context.Context, id task.ID, after int64, limit int) ([]store.ActionItem, error) {
	if _, err := as.Get(ctx, id); err != nil {
		return nil, err
	}
	return as.cfg.Store.ActionItems(ctx, id, after, limit)
}

// Steer pauses, resumes or aborts an action. store.ErrNotFound, store.ErrActionState.
func (as *Actions) Steer(ctx context.Context, id task.ID, to store.ActionState) (ActionView, error) {
	if err := as.cfg.Store.SteerAction(ctx, space(ctx), id, to); err != nil {
		return ActionView{}, err
	}
	as.look()
	as.cfg.Saw(space(ctx), id)
	return as.Get(ctx, id)
}

// Undo makes an action that undoes another one, as far as that holds: tasks that were
// retried are canceled unless they have begun, tasks that were canceled are retried.
// store.ErrNotFound, store.ErrActionState.
func (as *Actions) Undo(ctx context.Context, id task.ID) (ActionView, error) {
	a, err := as.Get(ctx, id)
	if err != nil {
		return a, err
	}
	if !a.Undoable() {
		return a, store.ErrActionState
	}
	p := actionPlan{Verb: store.RetryThem, UndoOf: id, Rate: a.Rate, Matched: int(a.Done), Bound: Bound{a.Bound.ID, as.cfg.Store.Now()}}
	if a.Verb == store.RetryThem {
		p.Verb = store.CancelThem
	}
	return as.keep(ctx, &p)
}

// look says that there is something to do.
func (as *Actions) look() {
	select {
	case as.knock <- struct{}{}:
	default:
	}
}
