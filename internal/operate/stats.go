package operate

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

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
	Groups      []GroupStats  // that have a line of their own in it, of Stats alone; see there
}

// Stats returns the depth of one queue, see AllStats, and of its groups where these take turns: those
// with the most ready tasks. store.ErrNotFound.
func (qs *Queues) Stats(ctx context.Context, name string) (QueueStats, error) {
	if _, err := qs.queue(ctx, name); err != nil {
		return QueueStats{}, err
	}
	lanes, err := qs.depths.get(ctx, 0)
	if err != nil {
		return QueueStats{}, err
	}
	for _, s := range qs.statsOf(space(ctx), lanes) {
		if s.Queue == name {
			s.Groups = qs.groupsOf(space(ctx), name, lanes)
			return s, nil
		}
	}
	return QueueStats{Queue: name}, nil
}

// AllStats returns the depth of all queues, by name; empty ones as well. Callers
// share one count at a time. What it finds is as of the call; when a count takes
// more than 50 ms, it is used again for 20 times as long.
// context.DeadlineExceeded when it takes more than 10 s.
func (qs *Queues) AllStats(ctx context.Context) ([]QueueStats, error) {
	lanes, err := qs.depths.get(ctx, 0)
	if err != nil {
		return nil, err
	}
	return qs.statsOf(space(ctx), lanes), nil
}

// Depths is how much waits in every line, of all namespaces; see AllStats.
func (qs *Queues) Depths(ctx context.Context) ([]store.LaneStats, error) {
	return qs.depths.get(ctx, 0)
}

// Stored counts the tasks of each namespace that have not ended, or have failed.
func (qs *Queues) Stored(ctx context.Context) (map[int32]int64, error) {
	lanes, err := qs.depths.get(ctx, 0)
	if err != nil {
		return nil, err
	}
	out := map[int32]int64{}
	for _, l := range lanes {
		out[qs.cfg.Catalog.ByID(l.Lane).Namespace] += l.Ready + l.Scheduled + l.Running + l.Suspended + l.Blocked + l.Failed
	}
	return out, nil
}

// StoredBytes sums up the payloads of all tasks that are stored in some namespaces.
func (qs *Queues) StoredBytes(ctx context.Context, of func(namespace int32) bool) (map[int32]int64, error) {
	lanes, spaces := []int32{}, map[int32]int32{}
	for _, l := range qs.cfg.Catalog.Lanes(func(l store.Lane) bool { return of(l.Namespace) }) {
		lanes, spaces[l.ID] = append(lanes, l.ID), l.Namespace
	}
	bytes, err := qs.cfg.Store.PayloadBytes(ctx, lanes)
	if err != nil {
		return nil, err
	}
	out := map[int32]int64{}
	for lane, n := range bytes {
		out[spaces[lane]] += n
	}
	return out, nil
}

// StatsWithin is AllStats for those who cannot wait long and take what is up to
// maxAge old: after wait it returns what was counted last, however old that is,
// and the count goes on.
func (qs *Queues) StatsWithin(wait, maxAge time.Duration) []QueueStats {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if lanes, err := qs.depths.get(ctx, maxAge); err == nil {
		return qs.statsOf(store.DefaultNamespace, lanes)
	}
	return qs.statsOf(store.DefaultNamespace, qs.depths.latest())
}

func (qs *Queues) statsOf(namespace int32, lanes []store.LaneStats) []QueueStats {
	queues := qs.cfg.Catalog.Queues(namespace)
	out := make([]QueueStats, len(queues))
	index := map[string]*QueueStats{}
	for i, q := range queues {
		out[i] = QueueStats{Queue: q.Name, Paused: q.Paused}
		index[q.Name] = &out[i]
	}
	now := qs.cfg.Store.Now()
	for _, l := range lanes {
		lane := qs.cfg.Catalog.ByID(l.Lane)
		if s := index[lane.Queue]; s != nil && lane.Namespace == namespace {
			s.add(l, now)
		}
	}
	return out
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
