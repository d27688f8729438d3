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
	ring  *Ring
	count func(ctx context.Context) (map[int32]int64, error) // tasks that are stored, by namespace

	mu       sync.Mutex
	due      map[int32]time.Time // when the next submission is due by the rate
	stored   map[int32]int64     // as counted last
	since    map[int32]int64     // let in since
	counted  time.Time
	counting bool
}

// countEvery is how old a count of tasks may be; what this node lets in meanwhile is added.
const countEvery = 2 * time.Second

// NewQuotas returns the quotas of the namespaces of a ring.
func NewQuotas(ring *Ring, count func(ctx context.Context) (map[int32]int64, error)) *Quotas {
	return &Quotas{ring: ring, count: count, due: map[int32]time.Time{}, since: map[int32]int64{}}
}

// Allow takes n submissions in, or says why not: store.OverQuota. 0 is the default
// namespace. One that has no quota costs a look into a map.
func (q *Quotas) Allow(namespace int32, n int) error {
	namespace = max(namespace, store.DefaultNamespace)
	ns, _ := q.ring.Namespace(namespace)
	if ns.Settings == nil {
		return nil
	}
	quota := store.DecodeQuota(ns.Settings)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if quota.Tasks > 0 {
		q.look(now)
		if q.stored[namespace]+q.since[namespace]+int64(n) > quota.Tasks {
			return store.OverQuota{What: "tasks", Allow: strconv.FormatInt(quota.Tasks, 10), Retry: countEvery}
		}
	}
	if err := q.inTime(namespace, &quota, now, n); err != nil {
		return err
	}
	q.since[namespace] += int64(n)
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

// look has tasks counted anew when the count is old. The first time it waits for it.
func (q *Quotas) look(now time.Time) {
	if q.counting || now.Sub(q.counted) < countEvery {
		return
	}
	q.counting = true
	first, done := q.stored == nil, make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		let := q.letIn()
		stored, err := q.count(ctx)
		q.mu.Lock()
		defer q.mu.Unlock()
		q.counting, q.counted = false, time.Now()
		if err != nil {
			return // as it was
		}
		q.stored = stored
		for id, n := range let {
			q.since[id] -= n // those are counted
		}
	}()
	if first {
		q.mu.Unlock()
		<-done
		q.mu.Lock()
	}
}

// letIn is what was let in until now.
func (q *Quotas) letIn() map[int32]int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.since)
}
