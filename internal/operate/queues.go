package operate

import (
	"context"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// Queue is a queue as it is shown.
type Queue struct {
	Name      string
	Paused    bool
	CreatedAt int64
}

// QueueStats is how much waits in a queue. Depths count all lanes.
type QueueStats struct {
	Queue       string
	Paused      bool
	Ready       int64
	Scheduled   int64
	Running     int64
	Suspended   int64
	Blocked     int64
	Failed      int64
	OldestReady time.Duration // how long the oldest ready task has waited; 0 = none
}

// Queues lists all queues by name.
func (o *Operator) Queues(ctx context.Context) ([]Queue, error) {
	if err := o.cfg.Catalog.Refresh(ctx); err != nil {
		return nil, err
	}
	var out []Queue
	for _, q := range o.cfg.Catalog.Queues() {
		out = append(out, Queue{q.Name, q.Paused, q.CreatedAt})
	}
	return out, nil
}

// Queue returns one queue. store.ErrNotFound.
func (o *Operator) Queue(ctx context.Context, name string) (Queue, error) {
	q, err := o.queue(ctx, name)
	return Queue{q.Name, q.Paused, q.CreatedAt}, err
}

func (o *Operator) queue(ctx context.Context, name string) (store.Queue, error) {
	q, ok := o.cfg.Catalog.Queue(name)
	if ok && q.CreatedAt != 0 {
		return q, nil
	}
	if err := o.cfg.Catalog.Refresh(ctx); err != nil {
		return q, err
	}
	if q, ok = o.cfg.Catalog.Queue(name); !ok {
		return q, unknownQueue(name)
	}
	return q, nil
}

// SetPaused pauses or resumes a queue, from its return on and on all nodes.
// Attempts under way go on. store.ErrNotFound.
func (o *Operator) SetPaused(ctx context.Context, name string, paused bool) (Queue, error) {
	q, err := o.queue(ctx, name)
	if err != nil {
		return Queue{}, err
	}
	woken, err := o.cfg.Store.SetPaused(ctx, q.ID, paused)
	if err != nil {
		return Queue{}, err
	}
	o.cfg.Catalog.SetPaused(name, paused)
	o.cfg.Changed()
	o.wake(woken)
	return Queue{name, paused, q.CreatedAt}, nil
}

// Purge cancels what waits in a queue, ready or scheduled, and returns how many
// tasks it were. Running ones go on. store.ErrNotFound.
func (o *Operator) Purge(ctx context.Context, name string) (int, error) {
	if _, err := o.queue(ctx, name); err != nil {
		return 0, err
	}
	var lanes []int32
	for _, l := range o.cfg.Catalog.Lanes(func(l store.Lane) bool { return l.Queue == name }) {
		lanes = append(lanes, l.ID)
	}
	const batch = 1000
	for total := 0; ; {
		n, woken, err := o.cfg.Store.Purge(ctx, lanes, batch)
		o.wake(woken)
		if total += n; err != nil || n < batch {
			return total, err
		}
	}
}

// Stats returns the depth of one queue. store.ErrNotFound.
func (o *Operator) Stats(ctx context.Context, name string) (QueueStats, error) {
	if _, err := o.queue(ctx, name); err != nil {
		return QueueStats{}, err
	}
	all, err := o.AllStats(ctx)
	for _, s := range all {
		if s.Queue == name {
			return s, nil
		}
	}
	return QueueStats{Queue: name}, err
}

// AllStats returns the depth of all queues, by name; empty ones as well.
func (o *Operator) AllStats(ctx context.Context) ([]QueueStats, error) {
	lanes, err := o.cfg.Store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	queues := o.cfg.Catalog.Queues()
	out := make([]QueueStats, len(queues))
	index := map[string]*QueueStats{}
	for i, q := range queues {
		out[i] = QueueStats{Queue: q.Name, Paused: q.Paused}
		index[q.Name] = &out[i]
	}
	now := o.cfg.Store.Now()
	for _, l := range lanes {
		if s := index[o.cfg.Catalog.ByID(l.Lane).Queue]; s != nil {
			s.add(l, now)
		}
	}
	return out, nil
}

func (s *QueueStats) add(l store.LaneStats, now int64) {
	s.Ready += l.Ready
	s.Scheduled += l.Scheduled
	s.Running += l.Running
	s.Suspended += l.Suspended
	s.Blocked += l.Blocked
	s.Failed += l.Failed
	if l.OldestReady != 0 {
		s.OldestReady = max(s.OldestReady, time.Duration(now-l.OldestReady)*time.Microsecond)
	}
}

// StatsCache answers AllStats from memory for a few seconds, for scrapes.
type StatsCache struct {
	Operator *Operator
	mu       sync.Mutex
	at       time.Time
	stats    []QueueStats
}

// Get returns stats that are at most five seconds old.
func (c *StatsCache) Get() []QueueStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < 5*time.Second {
		return c.stats
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if stats, err := c.Operator.AllStats(ctx); err == nil {
		c.stats, c.at = stats, time.Now()
	}
	return c.stats
}
