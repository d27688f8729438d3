package engine

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/task"
)

// Queues looks at queues, measures and steers them. Safe for concurrent use.
type Queues struct{ queues *operate.Queues }

// Queue is a named line of tasks. It is made by its first task.
type Queue struct {
	Name      string
	Paused    bool
	CreatedAt time.Time
	Settings  task.QueueSettings // what was set
	Effective task.QueueSettings // the same with the defaults; those of a push, where functions have others
}

// QueueStats is how many tasks of a queue are in which state. Ended tasks are not
// counted, failed ones are.
type QueueStats struct {
	Queue       string
	Paused      bool
	Ready       int64
	Scheduled   int64
	Running     int64
	Suspended   int64
	Blocked     int64
	Failed      int64
	OldestReady time.Duration // how long the oldest ready task has waited; 0 = there is none
	Groups      []GroupStats  // where groups take turns: those of which something waits or runs, the 20 with the most ready tasks first; of Stats
}

// GroupStats is how much waits in a queue for one of its groups.
type GroupStats struct {
	Group       string // empty = of all tasks that stand in no line of a group of their own
	Weight      int32
	Ready       int64
	Scheduled   int64
	Running     int64
	OldestReady time.Duration // how long its oldest ready task has waited; 0 = there is none
}

func statsShown(s operate.QueueStats) QueueStats {
	var groups []GroupStats
	for _, g := range s.Groups {
		groups = append(groups, GroupStats(g))
	}
	return QueueStats{
		Queue: s.Queue, Paused: s.Paused, Ready: s.Ready, Scheduled: s.Scheduled, Running: s.Running, Suspended: s.Suspended, Blocked: s.Blocked,
		Failed: s.Failed, OldestReady: s.OldestReady, Groups: groups,
	}
}

// List lists all queues by name.
func (q *Queues) List(ctx context.Context) ([]Queue, error) {
	all, err := q.queues.List(ctx)
	out := make([]Queue, len(all))
	for i, one := range all {
		out[i] = queueOf(one)
	}
	return out, err
}

// Get returns a queue. store.ErrNotFound.
func (q *Queues) Get(ctx context.Context, name string) (Queue, error) {
	return queueShown(q.queues.Get(ctx, name))
}

// Pause has nothing started from a queue any more, from its return on and on all
// nodes; attempts under way go on. store.ErrNotFound.
func (q *Queues) Pause(ctx context.Context, name string) (Queue, error) {
	return queueShown(q.queues.SetPaused(ctx, name, true))
}

// Resume is the end of Pause. store.ErrNotFound.
func (q *Queues) Resume(ctx context.Context, name string) (Queue, error) {
	return queueShown(q.queues.SetPaused(ctx, name, false))
}

// Set replaces the settings of a queue, which is made when it is new: what is zero in
// them has its default again. They hold on all nodes within a second. task.Invalid,
// store.ErrTooManyQueues.
func (q *Queues) Set(ctx context.Context, name string, settings task.QueueSettings) (Queue, error) {
	return queueShown(q.queues.Set(ctx, name, settings))
}

// Update changes the settings of a queue. change gets those that hold, and is called
// again when somebody else changes them in the meantime. store.ErrNotFound, task.Invalid.
func (q *Queues) Update(ctx context.Context, name string, change func(*task.QueueSettings)) (Queue, error) {
	return queueShown(q.queues.Update(ctx, name, func(s *task.QueueSettings) error { change(s); return nil }))
}

// Purge cancels what waits in a queue, ready or scheduled, and returns how many tasks
// it were. Running ones go on. store.ErrNotFound.
func (q *Queues) Purge(ctx context.Context, name string) (int, error) {
	return q.queues.Purge(ctx, name)
}

// Delete forgets a queue in which everything has ended: its name is free again.
// store.ErrNotFound, store.ErrQueueNotEmpty, ErrKeepsName.
func (q *Queues) Delete(ctx context.Context, name string) error { return q.queues.Delete(ctx, name) }

// Stats returns how much waits in a queue, as of the call; where counting takes more
// than 50 ms, what was counted is used again for 20 times as long. store.ErrNotFound,
// and context.DeadlineExceeded when it takes more than 10 s.
func (q *Queues) Stats(ctx context.Context, name string) (QueueStats, error) {
	s, err := q.queues.Stats(ctx, name)
	return statsShown(s), err
}

// AllStats is Stats of all queues, by name.
func (q *Queues) AllStats(ctx context.Context) ([]QueueStats, error) {
	all, err := q.queues.AllStats(ctx)
	out := make([]QueueStats, len(all))
	for i, s := range all {
		out[i] = statsShown(s)
	}
	return out, err
}

// Everything tells whether everything is paused.
type Everything struct {
	Paused bool
	Since  time.Time // zero = it is not
}

// PauseAll pauses everything in the namespace of whoever asks, on all nodes: nothing is
// started from any queue, those as well that are made later. Attempts under way go on.
// store.ErrOldNode while a node is alive that would not heed it.
func (q *Queues) PauseAll(ctx context.Context) (Everything, error) {
	return everythingOf(q.queues.PauseAll(ctx, true))
}

// ResumeAll ends what PauseAll began. Queues that are paused by themselves stay so.
func (q *Queues) ResumeAll(ctx context.Context) (Everything, error) {
	return everythingOf(q.queues.PauseAll(ctx, false))
}

func everythingOf(all operate.Everything, err error) (Everything, error) {
	return Everything{all.Paused, timeOf(all.Since)}, err
}

func queueOf(q operate.Queue) Queue {
	return Queue{q.Name, q.Paused, timeOf(q.CreatedAt), q.Settings, q.Effective}
}

func queueShown(q operate.Queue, err error) (Queue, error) {
	if err != nil {
		return Queue{}, err
	}
	return queueOf(q), nil
}
