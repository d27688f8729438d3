package access

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// Quotas holds namespaces to what they may use. Safe for concurrent use.
type Quotas struct {
	ring *Ring

	mu    sync.Mutex
	due   map[int32]time.Time // when the next submission is due by the rate
	tasks counter
	bytes counter
}

// Stored counts what is stored, by namespace: tasks that have not ended or have failed, and
// the bytes of payloads in those namespaces for which that is asked.
type Stored struct {
	Tasks func(ctx context.Context) (map[int32]int64, error)
	Bytes func(ctx context.Context, of func(namespace int32) bool) (map[int32]int64, error)
}

// NewQuotas returns the quotas of the namespaces of a ring.
func NewQuotas(ring *Ring, stored Stored) *Quotas {
	q := &Quotas{ring: ring, due: map[int32]time.Time{}}
	q.tasks = counter{mu: &q.mu, since: map[int32]int64{}, count: stored.Tasks}
	q.bytes = counter{mu: &q.mu, since: map[int32]int64{}, count: func(ctx context.Context) (map[int32]int64, error) {
		return stored.Bytes(ctx, func(namespace int32) bool { return q.of(namespace).Bytes > 0 })
	}}
	return q
}

// of is what a namespace may use.
func (q *Quotas) of(namespace int32) store.Quota {
	ns, _ := q.ring.Namespace(namespace)
	return store.DecodeQuota(ns.Settings)
}

// Schedules is how many schedules a namespace may have; 0 = any number.
func (q *Quotas) Schedules(namespace int32) int64 {
	return q.of(max(namespace, store.DefaultNamespace)).Schedules
}

// Allow takes n submissions in whose payloads have so many bytes, or says why not:
// store.OverQuota. 0 is the default namespace. One that has no quota costs a look into a map.
func (q *Quotas) Allow(namespace int32, n int, bytes int64) error {
	namespace = max(namespace, store.DefaultNamespace)
	quota := q.of(namespace)
	if quota == (store.Quota{}) {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if quota.Tasks > 0 && q.tasks.with(namespace, int64(n), now) > quota.Tasks {
		return store.OverQuota{What: "tasks", Allow: strconv.FormatInt(quota.Tasks, 10), Retry: countEvery}
	}
	if quota.Bytes > 0 && bytes > 0 && q.bytes.with(namespace, bytes, now) > quota.Bytes {
		return store.OverQuota{What: "bytes", Allow: strconv.FormatInt(quota.Bytes, 10), Retry: countEvery}
	}
	if err := q.inTime(namespace, &quota, now, n); err != nil {
		return err
	}
	if quota.Tasks > 0 {
		q.tasks.since[namespace] += int64(n)
	}
	if quota.Bytes > 0 {
		q.bytes.since[namespace] += bytes
	}
	return nil
}

// inTime is the rate. A call of several is let in when one would be, and those behind it
// wait for all of it.
func (q *Quotas) inTime(namespace int32, quota *store.Quota, now time.Time, n int) error {
	every := quota.Rate.Every()
	if every == 0 {
		return nil
	}
	due := q.due[namespace]
	if due.Before(now) {
		due = now
	}
	if ahead := due.Sub(now) - time.Duration(quota.AtOnce()-1)*every; ahead > 0 {
		return store.OverQuota{What: "rate", Allow: quota.Rate.String(), Retry: ahead}
	}
	q.due[namespace] = due.Add(time.Duration(n) * every)
	return nil
}

// counter knows about how much of something is stored, by namespace.
type counter struct {
	mu    *sync.Mutex // of the Quotas, which guards what follows
	count func(ctx context.Context) (map[int32]int64, error)

	stored   map[int32]int64 // as counted last; nil = not yet
	since    map[int32]int64 // let in since
	counted  time.Time
	took     time.Duration
	counting bool
}

const (
	countEvery = 2 * time.Second // how old a count may be; what this node lets in meanwhile is added
	countPause = 20              // so many times as long as a count takes is the next one put off
	countFirst = 5 * time.Second // for so long the first one is waited for
	countMost  = time.Minute     // that one may take
)

// with is how much there would be with more.
func (c *counter) with(namespace int32, more int64, now time.Time) int64 {
	if !c.counting && now.Sub(c.counted) >= max(countEvery, countPause*c.took) {
		c.look()
	}
	return c.stored[namespace] + c.since[namespace] + more
}

// look has it counted anew. The first time it waits for it.
func (c *counter) look() {
	c.counting = true
	first, let, done := c.stored == nil, maps.Clone(c.since), make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), countMost)
		defer cancel()
		began := time.Now()
		stored, err := c.count(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.counting, c.counted, c.took = false, time.Now(), time.Since(began)
		if err != nil {
			return // as it was
		}
		c.stored = stored
		for id, n := range let {
			c.since[id] -= n // those are counted
		}
	}()
	if first {
		c.mu.Unlock()
		select {
		case <-done:
		case <-time.After(countFirst):
		}
		c.mu.Lock()
	}
}
