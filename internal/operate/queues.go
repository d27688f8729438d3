package operate

import (
	"context"
	"fmt"
	"net/url"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// QueueStore is what Queues needs of a database.
type QueueStore interface {
	SetPaused(ctx context.Context, queue int32, paused bool) ([]store.Woken, error)
	PauseNamespace(ctx context.Context, namespace int32, paused bool) ([]store.Woken, error)
	SetSettings(ctx context.Context, queue int32, was, settings []byte) error
	Forget(ctx context.Context, queue int32) error
	Purge(ctx context.Context, lanes []int32, limit int) (int, []store.Woken, error)
	Stats(ctx context.Context) ([]store.LaneStats, error)
	store.Usage
	Now() int64
}

// Catalog is what operating on queues needs to know of names.
type Catalog interface {
	ByID(lane int32) store.Lane
	Lanes(match func(store.Lane) bool) []store.Lane
	Weight(l store.Lane) int32
	Lane(ctx context.Context, namespace int32, queue, pool string) (store.Lane, error)
	Queue(namespace int32, name string) (store.Queue, bool)
	Queues(namespace int32) []store.Queue
	SetPaused(queue int32, paused bool)
	PausedSince(namespace int32) int64
	Refresh(ctx context.Context) error
}

// QueuesConfig is the Config of Queues. All fields are required, but for Seal and Least.
type QueuesConfig struct {
	Store   QueueStore
	Catalog Catalog
	Wake    func([]store.Woken)
	Changed func() // queues changed: tell the other nodes

	// Seal seals webhook secrets that were given, where had are those that the queue has.
	// task.Invalid. nil = there is nothing to seal them under.
	Seal func(had, given task.Secrets) (task.Secrets, error)

	Least     func() int32         // version of the nodes that are alive; nil = all are as new as this one
	Retention task.Retention       // where a queue has none of its own
	CheckURL  func(*url.URL) error // refuses targets that may not be called
}

// Queues looks at queues, measures and steers them. Safe for concurrent use.
type Queues struct {
	cfg    QueuesConfig
	depths shared[[]store.LaneStats]
}

// NewQueues returns a Queues.
func NewQueues(cfg QueuesConfig) *Queues {
	need.Fields(cfg, "Store", "Catalog", "Wake", "Changed", "Retention", "CheckURL")
	q := &Queues{cfg: cfg}
	q.depths.read = cfg.Store.Stats
	return q
}

// Queue is a queue as it is shown.
type Queue struct {
	Name      string
	Paused    bool
	CreatedAt int64
	Settings  task.QueueSettings // what was set
	Effective task.QueueSettings // with the defaults of a push
}

func (qs *Queues) shown(q store.Queue) Queue {
	settings, _ := task.DecodeQueueSettings(q.Settings)
	d := task.QueueSettings{Discipline: task.Fifo, Timeout: task.DefaultTimeout, Retry: task.DefaultRetry, Retention: qs.cfg.Retention}
	return Queue{Name: q.Name, Paused: q.Paused, CreatedAt: q.CreatedAt, Settings: settings, Effective: settings.Or(d)}
}

// List lists all queues by name.
func (qs *Queues) List(ctx context.Context) ([]Queue, error) {
	if err := qs.cfg.Catalog.Refresh(ctx); err != nil {
		return nil, err
	}
	var out []Queue
	for _, q := range qs.cfg.Catalog.Queues(space(ctx)) {
		out = append(out, qs.shown(q))
	}
	return out, nil
}

// Get returns one queue. store.ErrNotFound.
func (qs *Queues) Get(ctx context.Context, name string) (Queue, error) {
	q, err := qs.queue(ctx, name)
	if err != nil {
		return Queue{}, err
	}
	return qs.shown(q), nil
}

// queue reads all queues anew: another node may have made, deleted or paused this
// one since our copy was read.
func (qs *Queues) queue(ctx context.Context, name string) (store.Queue, error) {
	if err := qs.cfg.Catalog.Refresh(ctx); err != nil {
		return store.Queue{}, err
	}
	q, ok := qs.cfg.Catalog.Queue(space(ctx), name)
	if !ok {
		return q, unknownQueue(name)
	}
	return q, nil
}

// SetPaused pauses or resumes a queue, from its return on and on all nodes.
// Attempts under way go on. store.ErrNotFound.
func (qs *Queues) SetPaused(ctx context.Context, name string, paused bool) (Queue, error) {
	q, err := qs.queue(ctx, name)
	if err != nil {
		return Queue{}, err
	}
	tellChange(ctx, facts{"paused": q.Paused}, facts{"paused": paused})
	woken, err := qs.cfg.Store.SetPaused(ctx, q.ID, paused)
	if err != nil {
		return Queue{}, err
	}
	qs.cfg.Catalog.SetPaused(q.ID, paused)
	qs.cfg.Changed()
	if len(woken) > 0 {
		qs.cfg.Wake(woken)
	}
	q.Paused = paused
	return qs.shown(q), nil
}

// ErrKeepsName says that a queue cannot be deleted.
var ErrKeepsName = fmt.Errorf("the queue %q cannot be deleted: tasks without a queue go there", task.DefaultQueue)

// Delete forgets a queue: its name is free again, and tasks of it that have
// ended keep it. store.ErrNotFound, store.ErrQueueNotEmpty, ErrKeepsName.
func (qs *Queues) Delete(ctx context.Context, name string) error {
	if name == task.DefaultQueue {
		return ErrKeepsName
	}
	q, err := qs.queue(ctx, name)
	if err != nil {
		return err
	}
	had, _ := task.DecodeQueueSettings(q.Settings)
	tellChange(ctx, factsOfQueue(&had), nil)
	if err := qs.cfg.Store.Forget(ctx, q.ID); err != nil {
		return fmt.Errorf("queue %q: %w", name, err)
	}
	qs.cfg.Changed()
	return qs.cfg.Catalog.Refresh(ctx)
}

// Purge cancels what waits in a queue, ready or scheduled, and returns how many
// tasks it were. Running ones go on. store.ErrNotFound.
func (qs *Queues) Purge(ctx context.Context, name string) (int, error) {
	if _, err := qs.queue(ctx, name); err != nil {
		return 0, err
	}
	lanes := lanesOf(qs.cfg.Catalog.Lanes, space(ctx), name)
	const batch = 1000
	for total := 0; ; { // each batch is a transaction, and a record of the audit
		n, woken, err := qs.cfg.Store.Purge(ctx, lanes, batch)
		if len(woken) > 0 {
			qs.cfg.Wake(woken)
		}
		if total += n; err != nil || n < batch {
			return total, err
		}
	}
}

func unknownQueue(name string) error { return fmt.Errorf("queue %q: %w", name, store.ErrNotFound) }
