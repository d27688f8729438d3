package engine

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/events"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/settle"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Event is something that happened to a task, or to what a topic names besides.
type Event struct {
	// created, started, retrying, or the state that the task has come to; schedule.fired,
	// schedule.changed, schedule.deleted; action.changed; node.joined, node.draining,
	// node.left; reset = events are missing here.
	Type    string
	At      time.Time
	TaskID  string // as you chose it, or the one that the engine made
	Queue   string
	Kind    string
	Name    string
	State   string
	Reason  string
	Attempt int    // 0 = none has begun
	Node    string // that saw it, or that it is about
	Labels  map[string]string

	Schedule string // that it is about, or that has made the task
	Action   string // id of the action that it is about
}

// Subscribe hears what happens to tasks from now on, on all nodes: what others see comes
// some seconds later. topics are "tasks", "queue:NAME", "task:ID", "schedule:NAME" (with the
// tasks that it makes), "action:ID" and "nodes"; none = tasks. It
// ends with ctx, when Run ends, or with the loop. What it tells is for watching: who has
// to act on the end of a task gives that task callbacks. The error of a wrong topic is task.Invalid.
func (e *Engine) Subscribe(ctx context.Context, topics ...string) (iter.Seq[Event], error) {
	wanted, wrong := events.ParseTopics(strings.Join(topics, ","))
	if wrong != "" {
		return nil, events.WrongTopic(wrong)
	}
	l, _ := e.events.Listen(0)
	return func(yield func(Event) bool) {
		defer l.Close()
		for {
			happened, _, over := l.Next(ctx, time.Hour)
			if over || happened != nil && wanted.Has(happened) && !yield(eventOf(happened)) {
				return
			}
		}
	}, nil
}

func eventOf(h *events.Event) Event {
	e := Event{Type: h.Of + "." + h.Type, At: timeOf(h.At)}
	switch h.Of {
	case events.OfSchedule:
		e.Schedule = h.Name
		return e
	case events.OfAction:
		e.Action = h.Task
		return e
	case events.OfNode:
		e.Node = h.Name
		return e
	}
	return Event{
		Type: h.Type, At: timeOf(h.At), TaskID: h.Task, Queue: h.Queue, Kind: h.Kind, Name: h.Name, State: h.State, Reason: h.Reason,
		Attempt: int(h.Attempt), Node: h.Node, Labels: h.Labels, Schedule: h.Schedule,
	}
}

// sawSchedule publishes what happened to a schedule.
func (e *Engine) sawSchedule(of store.ScheduleName, what string) {
	e.events.Publish(events.Event{
		Type: what, Of: events.OfSchedule, At: time.Now().UnixMicro(), In: max(of.Namespace, store.DefaultNamespace), Name: of.Name,
	})
}

// sawAction publishes that an action has changed, or came further.
func (e *Engine) sawAction(namespace int32, id task.ID) {
	e.events.Publish(events.Event{Type: events.Changed, Of: events.OfAction, At: time.Now().UnixMicro(), In: namespace, Task: id.String()})
}

// watched is how often the nodes are looked at while somebody listens.
const watched = time.Second

// watchNodes publishes which nodes come and go, until ctx ends: each node sees it by itself.
func (e *Engine) watchNodes(ctx context.Context) error {
	var had map[task.ID]store.Node // nil = nobody has listened
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watched):
		}
		if !e.events.Listened() {
			had = nil
			continue
		}
		all, err := e.store.Nodes(ctx)
		if err != nil {
			continue // the next look finds it
		}
		had = e.compareNodes(had, all)
	}
}

// compareNodes publishes how nodes differ from those that were there, and returns them by id.
func (e *Engine) compareNodes(had map[task.ID]store.Node, all []store.Node) map[task.ID]store.Node {
	now := make(map[task.ID]store.Node, len(all))
	for i := range all {
		n := &all[i]
		now[n.ID] = *n
		before, known := had[n.ID]
		switch {
		case had == nil:
		case !known:
			e.sawNode(n, events.Joined)
		case n.Draining && !before.Draining:
			e.sawNode(n, events.Drains)
		}
	}
	for id, n := range had {
		if _, still := now[id]; !still {
			e.sawNode(&n, events.Left)
		}
	}
	return now
}

func (e *Engine) sawNode(n *store.Node, what string) {
	e.events.PublishHere(events.Event{Type: what, Of: events.OfNode, At: time.Now().UnixMicro(), In: store.DefaultNamespace, Task: n.ID.String(), Name: n.Name})
}

// see publishes what happened to a task of a lane.
func (e *Engine) see(h events.Event, lane int32, attempt int32, at int64) {
	l := e.catalog.ByID(lane)
	h.Namespace, h.Queue, h.Attempt, h.Node = l.Namespace, l.Queue, attempt, e.cfg.Name
	h.At = cmp.Or(at, time.Now().UnixMicro())
	e.events.Publish(h)
}

func (e *Engine) sawCreated(t *store.NewTask, at int64, began time.Time) {
	e.series.Accepted(t.Lane, operate.TargetIn(t.Spec))
	e.traceAccept(t, began)
	if !e.events.Wanted() {
		return
	}
	spec, err := task.DecodeSpec(t.Spec)
	if err != nil {
		return
	}
	p := store.Placed(t, at)
	e.see(events.Of(events.Created, t.ID, spec, p.State, p.Reason), t.Lane, 0, at)
}

func (e *Engine) sawStarted(c *store.Claimed, spec *task.Spec) {
	if e.verbose() {
		e.cfg.Log.Debug("attempt started", "task_id", c.ID, "token", c.Token, "name", spec.Name)
	}
	if e.events.Wanted() {
		e.see(events.Of(events.Started, c.ID, spec, task.Running, task.NoReason), c.Lane, c.Failures+1, c.StartedAt)
	}
}

// settled tells of the end of an attempt.
func (e *Engine) settled(end *settle.End, to task.State, why task.Reason) {
	e.series.Settled(end.Task.Lane, operate.TargetOf(end.Spec), end.Outcome.Class, to, end.Took)
	if to == task.Failed {
		e.failures.Add(end.Task, end.Spec, &end.Outcome)
	}
	if o := &end.Outcome; e.verbose() {
		e.cfg.Log.Debug("attempt ended", "task_id", end.Task.ID, "token", end.Task.Token, "outcome", o.Class.String(), "state", to.String(),
			"reason", why.String(), "took", end.Took.String(), "code", o.Code, "err", o.Error)
	}
	e.traceAttempt(end, to, why)
	e.sawSettled(end, to, why)
}

// verbose tells whether there is a line in the log for each attempt.
func (e *Engine) verbose() bool { return e.cfg.Log.Enabled(context.Background(), slog.LevelDebug) }

func (e *Engine) sawSettled(end *settle.End, to task.State, why task.Reason) {
	if end.Spec == nil || !e.events.Wanted() {
		return
	}
	typ := to.String()
	if to == task.Scheduled {
		typ = events.Retrying
	}
	e.see(events.Of(typ, end.Task.ID, end.Spec, to, why), end.Task.Lane, end.Task.Failures+1, 0)
}

func (e *Engine) sawChanged(t *operate.Task) {
	e.traceChange(t)
	if e.events.Wanted() {
		e.see(events.Of(t.State.String(), t.ID, t.Spec, t.State, t.Reason), t.Lane, t.Attempts(), 0)
	}
}
