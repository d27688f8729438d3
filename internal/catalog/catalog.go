// Package catalog knows the queues and lanes by name and by id, and how old the
// oldest node is. It is a read-mostly copy of a few small tables, shared by all
// rooms: names come in from the doors, ids go down to the store and come back with
// every task.
//
// The copy is refreshed on a hint from another node and at least every second;
// what one node makes is in its own copy at once.
package catalog

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// MaxQueues is how many queues are made on first use in a namespace.
const MaxQueues = 1000

// Catalog is safe for concurrent use.
type Catalog struct {
	store Store

	mu     sync.RWMutex
	byName map[laneName]store.Lane
	byID   map[int32]store.Lane
	queues map[queueName]queue
	groups map[int32]int   // by queue: lanes of groups
	read   time.Time       // when all was read last
	nodes  int             // that are alive
	least  int32           // version of them
	served map[string]bool // pools that these claim from
	rest   map[int32]int64 // namespaces that are paused, with since when
	left   map[int32]int   // lanes of forgotten queues, and how often relist looks at each from now on

	stale chan struct{}
	watch func() // called when all was read
}

type queue struct {
	store.Queue
	settings task.QueueSettings // as Settings has them
	weights  map[string]int32   // of settings
}

type queueName struct {
	namespace int32
	name      string
}

type laneName struct {
	namespace   int32
	queue, pool string // pool as of store.GroupPool
}

func nameOf(l store.Lane) laneName {
	return laneName{l.Namespace, l.Queue, store.GroupPool(l.Pool, l.Group)}
}

// Store is what a catalog needs of one.
type Store interface {
	store.Catalog
	Nodes(ctx context.Context) ([]store.Node, error)
	List(ctx context.Context, q store.Query) (rows []store.Row, next task.ID, err error)
}

// New returns a catalog that knows nothing yet; call Refresh once before use.
func New(s Store) *Catalog {
	return &Catalog{
		store: s, byName: map[laneName]store.Lane{}, byID: map[int32]store.Lane{}, queues: map[queueName]queue{}, groups: map[int32]int{},
		stale: make(chan struct{}, 1),
	}
}

// Watch has fn called after each Refresh, before that returns. It is set before the
// catalog is used by several goroutines.
func (c *Catalog) Watch(fn func()) { c.watch = fn }

// Refresh reads everything anew.
func (c *Catalog) Refresh(ctx context.Context) error {
	if err := c.refresh(ctx); err != nil {
		return err
	}
	if c.watch != nil {
		c.watch()
	}
	return nil
}

func (c *Catalog) refresh(ctx context.Context) error {
	began := time.Now()
	lanes, err := c.store.Lanes(ctx)
	if err != nil {
		return err
	}
	queues, err := c.store.Queues(ctx)
	if err != nil {
		return err
	}
	rest, err := c.store.PausedNamespaces(ctx)
	if err != nil {
		return err
	}
	nodes, err := c.store.Nodes(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read, c.nodes, c.least, c.served, c.rest = began, len(nodes), math.MaxInt32, map[string]bool{}, rest
	for _, n := range nodes {
		c.least = min(c.least, n.Version)
		for pool := range strings.SplitSeq(n.Pools, "\n") {
			c.served[pool] = true
		}
	}
	clear(c.byName)
	clear(c.byID)
	clear(c.groups)
	had := c.queues
	c.queues = make(map[queueName]queue, len(queues))
	left := map[int32]int{}
	for _, l := range lanes {
		if c.put(l); l.Forgotten {
			left[l.ID] = looks
			if n, seen := c.left[l.ID]; seen {
				left[l.ID] = n
			}
		}
	}
	c.left = left
	for _, q := range queues {
		name := queueName{q.Namespace, q.Name}
		c.queues[name] = had[name].read(q)
	}
	return nil
}

// read is a queue as it has been read now, given how it was before.
func (q queue) read(now store.Queue) queue {
	if !bytes.Equal(q.Settings, now.Settings) {
		q.settings, _ = task.DecodeQueueSettings(now.Settings) // what nobody can read is not set
		q.weights = q.settings.Weights.Map()
	}
	q.Queue = now
	return q
}

func (c *Catalog) put(l store.Lane) {
	if _, known := c.byID[l.ID]; !known && l.Group != "" {
		c.groups[l.QueueID]++
	}
	c.byName[nameOf(l)] = l
	c.byID[l.ID] = l
}

// Stale asks for a refresh soon.
func (c *Catalog) Stale() {
	select {
	case c.stale <- struct{}{}:
	default:
	}
}

// Run keeps the copy fresh until ctx ends.
func (c *Catalog) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.stale:
		case <-time.After(time.Second + rand.N(200*time.Millisecond)):
		}
		_ = c.Refresh(ctx) // an old copy serves until the database answers again
		c.relist(ctx)
	}
}

// looks is how often a forgotten queue is looked at: a submission that was under
// way when we heard of it has been stored by then.
const looks = 3

// relist makes forgotten queues anew in which a task was stored by a node that had
// not heard of it yet, such as this one.
func (c *Catalog) relist(ctx context.Context) {
	var lanes []int32
	c.mu.RLock()
	for id, n := range c.left {
		if n > 0 {
			lanes = append(lanes, id)
		}
	}
	c.mu.RUnlock()
	if len(lanes) == 0 {
		return
	}
	open := []task.State{task.Scheduled, task.Ready, task.Running, task.Suspended, task.Blocked}
	rows, _, err := c.store.List(ctx, store.Query{Lanes: lanes, States: open, Limit: 500, Scan: 10_000})
	if err != nil {
		return // the next time
	}
	for _, row := range rows {
		if l := c.ByID(row.Lane); l.Forgotten {
			_, _ = c.Lane(ctx, l.Namespace, l.Queue, l.Pool) // the task runs without it as well
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range lanes {
		if c.left[id] > 0 {
			c.left[id]--
		}
	}
}

// trusted is for how long a copy that cannot be refreshed is believed: a lane
// that it knows may be gone some minutes later (store.ForgetAfter).
const trusted = time.Minute

// Lane returns the lane of a queue of a namespace and a pool, which is made when it is new, and
// anew when its queue has been forgotten.
// Errors: store.ErrTooManyQueues, or of the database.
func (c *Catalog) Lane(ctx context.Context, namespace int32, queue, pool string) (store.Lane, error) {
	if l, known := c.Known(namespace, queue, pool); known {
		return l, nil
	}
	l, err := c.store.EnsureLane(ctx, namespace, queue, pool, MaxQueues)
	if err != nil {
		return l, err
	}
	c.mu.Lock()
	c.put(l)
	if key := (queueName{namespace, queue}); c.queues[key].ID == 0 {
		c.queues[key] = newQueue(l)
	}
	c.mu.Unlock()
	c.Stale()
	return l, nil
}

func newQueue(l store.Lane) queue {
	return queue{Queue: store.Queue{ID: l.QueueID, Namespace: l.Namespace, Name: l.Queue, Paused: l.Paused}}
}

// Known returns a lane that is there.
func (c *Catalog) Known(namespace int32, queue, pool string) (l store.Lane, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	l, ok = c.byName[laneName{namespace, queue, pool}]
	return l, ok && !l.Forgotten && time.Since(c.read) < trusted
}

// Least is the version of the oldest node that is alive, own being that of this one.
// What an older one could not settle must not be accepted.
func (c *Catalog) Least(own int32) int32 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return min(own, c.least)
}

// Alone tells whether no other node was alive when this was read last.
func (c *Catalog) Alone() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.nodes <= 1
}

// ByID returns a lane; an unknown one has empty names.
func (c *Catalog) ByID(id int32) store.Lane {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byID[id]
}

// QueueName returns the name of a lane's queue.
func (c *Catalog) QueueName(lane int32) string { return c.ByID(lane).Queue }

// Queue returns a queue of a namespace by name.
func (c *Catalog) Queue(namespace int32, name string) (store.Queue, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	q, ok := c.queues[queueName{namespace, name}]
	return q.Queue, ok
}

// Settings returns what was set for a queue; nothing for one that is not there.
func (c *Catalog) Settings(namespace int32, name string) task.QueueSettings {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.queues[queueName{namespace, name}].settings
}

// Webhooks returns the webhook secrets of the queue of a lane.
func (c *Catalog) Webhooks(lane int32) task.Secrets {
	c.mu.RLock()
	defer c.mu.RUnlock()
	l := c.byID[lane]
	return c.queues[queueName{l.Namespace, l.Queue}].settings.Webhooks
}

// Limited returns the queues that have limits.
func (c *Catalog) Limited() []store.Queue {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []store.Queue
	for _, q := range c.queues {
		if q.settings.Limited() {
			out = append(out, q.Queue)
		}
	}
	return out
}

// Retentions returns the retention of the lanes whose queues have one of their own.
func (c *Catalog) Retentions() map[int32]task.Retention {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := map[int32]task.Retention{}
	for id, l := range c.byID {
		if r := c.queues[queueName{l.Namespace, l.Queue}].settings.Retention; r != (task.Retention{}) && !l.Forgotten {
			out[id] = r
		}
	}
	return out
}

// Queues lists the queues of a namespace by name.
func (c *Catalog) Queues(namespace int32) []store.Queue {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]store.Queue, 0, len(c.queues))
	for _, q := range c.queues {
		if q.Namespace == namespace {
			out = append(out, q.Queue)
		}
	}
	slices.SortFunc(out, func(a, b store.Queue) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Lanes lists the lanes for which match is true, by id.
func (c *Catalog) Lanes(match func(store.Lane) bool) []store.Lane {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []store.Lane
	for _, l := range c.byID {
		if match(l) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b store.Lane) int { return int(a.ID - b.ID) })
	return out
}

// SetPaused notes the pause of a queue, by its id, in this copy before the next
// refresh does.
func (c *Catalog) SetPaused(queue int32, paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, q := range c.queues {
		if q.ID == queue {
			q.Paused = paused
			c.queues[key] = q
		}
	}
	for _, l := range c.byID {
		if l.QueueID == queue {
			l.Paused = paused
			c.put(l)
		}
	}
}

// PausedSince tells since when everything is paused in a namespace, in microseconds, as of
// the last look; 0 = it is not.
func (c *Catalog) PausedSince(namespace int32) int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.rest[namespace]
}

// Served tells whether a node that is alive claims from a pool, as of the last look.
func (c *Catalog) Served(pool string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.served[pool]
}
