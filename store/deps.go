package store

import (
	"bytes"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/task"
)

// Deps tells which tasks wait for which, and carries on what the end of one means for
// those that depend on it.
type Deps interface {
	// Dependencies lists what a task depends on, in the order of their ids, at most
	// limit of them, beginning after an id. Nothing for one that is not stored.
	Dependencies(ctx context.Context, id, after task.ID, limit int) ([]Dependency, error)

	// Followers lists what depends on a task, as Dependencies does.
	Followers(ctx context.Context, id, after task.ID, limit int) ([]Dependency, error)

	// Need returns what a task depends on, counted; false when that is nothing.
	Need(ctx context.Context, id task.ID) (Need, bool, error)

	// Follow works off a page of a Todo of kind Release or Revive, and finishes it when
	// that was the last one: more says that it was not. Nothing happens when somebody
	// else was faster. With an error, woken are those that it has made ready all the same.
	Follow(ctx context.Context, t Todo) (more bool, woken []Woken, err error)

	// RetryFollowers is Operator.Retry of a task, and leaves a Todo to start those that
	// were canceled because of it anew: they wait for it again.
	RetryFollowers(ctx context.Context, id task.ID) ([]Woken, error)
}

// FollowPage is how many followers are told of an end in one transaction. A Todo is
// left for the others. Tests make it smaller, before they open a store.
var FollowPage = 1000

// MaxDeps is how many tasks a task may depend on.
const MaxDeps = 1000

// Dependency is a task that another one depends on, or that depends on it.
type Dependency struct {
	ID     task.ID
	State  task.State // 0 = it is not stored any more
	Reason task.Reason
	Ended  task.End // as it was counted; of a follower: how the task was counted by it
}

// Dep says that one task depends on another. It is kept until Down is erased.
type Dep struct {
	Up    task.ID // has to end first
	Down  task.ID // waits for it
	Ended task.End
}

// Need counts what a task depends on. It is kept until the task is erased.
type Need struct {
	Task    task.ID
	Lane    int32
	When    task.When
	Waits   bool // nothing has been decided yet: the task is blocked
	Total   int32
	OK      int32
	Failed  int32
	Skipped int32
}

// Count counts a dependency that had ended in one way before, as one that has ended in
// another way.
func (n *Need) Count(before, end task.End) {
	n.add(before, -1)
	n.add(end, 1)
}

func (n *Need) add(end task.End, by int32) {
	switch end {
	case task.EndedWell:
		n.OK += by
	case task.EndedBadly:
		n.Failed += by
	case task.EndedUnrun:
		n.Skipped += by
	case task.NotEnded:
	}
}

// Open is how many have not ended.
func (n *Need) Open() int32 { return n.Total - n.OK - n.Failed - n.Skipped }

// Verdict says what becomes of the task.
func (n *Need) Verdict() task.Verdict {
	return task.Trigger(n.When, n.Total, n.OK, n.Failed, n.Skipped)
}

// NeedOf counts the dependencies of a task from how they have ended.
func NeedOf(id task.ID, lane int32, when task.When, ends []task.End) Need {
	n := Need{Task: id, Lane: lane, When: when, Total: int32(len(ends))}
	for _, end := range ends {
		n.add(end, 1)
	}
	n.Waits = n.Verdict() == task.StillWaits
	return n
}

// EndedAs is how a dependency has ended, of which state and reason are stored; state 0
// says that it is stored no more. What was counted of it before is what is left then.
func EndedAs(state task.State, why task.Reason, counted task.End) task.End {
	switch {
	case state != 0:
		return task.EndOf(state, why)
	case counted != task.NotEnded:
		return counted
	}
	return task.EndedBadly
}

// Depending is how a new task is stored that depends on others: as p says, unless
// these say otherwise. One that waits for them keeps in Due when it is due besides.
func (p Placement) Depending(n *Need) Placement {
	p.Flags |= FlagNeed
	switch v := n.Verdict(); v {
	case task.MayRun:
	case task.StillWaits:
		p.State, p.Reason = task.Blocked, task.Depends
	case task.CannotRun, task.NotNeeded:
		p.State, p.Reason, p.Due = task.Canceled, v.Reason(), 0
	}
	return p
}

// Released is a task that waited for others and may run: it enters, unless it is due
// later.
func (r *Row) Released(now int64) Entry {
	if r.At > now {
		return Entry{State: task.Scheduled, Reason: task.Delayed, Lane: r.Lane, Priority: r.Priority}
	}
	return Enter(r.Entrant(), task.NoReason)
}

// Revives tells whether a task ended only because of what it depends on.
func (r *Row) Revives() bool {
	return r.State == task.Canceled && (r.Reason == task.DependencyFailed || r.Reason == task.Skipped)
}

// Ups are the tasks that those of a batch may depend on, by the ids that others call
// them by.
type Ups map[task.ID]Up

// Up is a task that others may depend on.
type Up struct {
	ID  task.ID // as it is stored
	End task.End
}

// Of returns what a task depends on, each once and in the order of their ids, and
// what of it is not stored.
func (u Ups) Of(t *NewTask) (deps []Up, missing task.ID) {
	for _, id := range t.Deps {
		up := u[id]
		if up.ID.IsZero() || up.ID == t.ID {
			return nil, id
		}
		deps = append(deps, up)
	}
	slices.SortFunc(deps, func(a, b Up) int { return compareIDs(a.ID, b.ID) })
	return slices.CompactFunc(deps, func(a, b Up) bool { return a.ID == b.ID }), task.ID{}
}

// Add says what became of a new task, so that others may depend on it.
func (u Ups) Add(id task.ID, in *Inserted, end task.End) {
	if in.Status == Created || in.Status == Existing {
		u[id] = Up{in.ID, end}
	}
}

// canceled says that a task ends because another one of the batch takes its place.
func (u Ups) canceled(id task.ID) {
	for name, up := range u {
		if up.ID == id {
			u[name] = Up{id, task.EndedBadly}
		}
	}
}

func compareIDs(a, b task.ID) int { return bytes.Compare(a[:], b[:]) }

// End is how the task counts for those that depend on it.
func (r *Row) End() task.End { return task.EndOf(r.State, r.Reason) }
