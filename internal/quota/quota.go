// Package quota keeps what this node starts of the queues that have limits within its
// share of them, and has the share follow what waits. Nothing is started beyond it: a
// node gives back before another one takes, and what it has ends with it.
//
// A share is read by everybody and changed by its node alone, in one transaction of
// the store, which decides how much that is ([store.Divide]).
package quota

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Store is what a Keeper needs of a database.
type Store interface {
	store.Quotas
	Now() int64
}

// Limits are those of a queue, over all nodes.
type Limits struct {
	Settings    []byte // of the queue, as they were read
	Concurrency int32  // 0 = no limit
	Rate        task.Rate
	Burst       int32 // at least 1 where there is a rate
}

func (l *Limits) amount() store.Amount {
	a := store.Amount{Slots: l.Concurrency}
	if l.Rate.N > 0 {
		a.Burst = max(l.Burst, 1)
	}
	return a
}

// every is the time between two starts of all nodes, rounded up.
func (l *Limits) every() int64 {
	if l.Rate.N == 0 {
		return 0
	}
	return (int64(l.Rate.Per) + int64(l.Rate.N) - 1) / int64(l.Rate.N)
}

// Pressure is what has come up against a limit lately.
type Pressure struct {
	Peak    int // attempts under way at a time
	Started int
	Slots   bool // more might have been under way
	Rate    bool // more might have started
}

// Room is where a node counts its attempts.
type Room interface {
	Limit(slots map[int32]int)                                                       // at a time, by queue
	Pace(queue int32, every time.Duration, burst int, credit float64) (over float64) // every 0 = none
	Uses(queue int32) (running, starts int)                                          // attempts, and starts that are promised
	Lately() map[int32]Pressure
	Pressed() <-chan struct{}
}

// Config of a Keeper. All but Log are required.
type Config struct {
	Store  Store
	Room   Room
	Node   func() (id task.ID, trusted bool)
	Limits func() map[int32]Limits // of the queues that have any, by id
	Lanes  func() []store.Lane     // that this node claims from
	Tell   func()                  // the other nodes may have something to give back, or to take
	Log    *slog.Logger
}

// Keeper is safe for concurrent use.
type Keeper struct {
	cfg  Config
	look chan struct{} // capacity 1

	mu     sync.Mutex
	life   int // rises when the lease is lost
	limits map[int32]Limits
	bound  map[int32]store.Amount // what the room is kept within: never more than our share
	used   bool                   // we may have shares
}

// New returns a Keeper under which nothing starts of a queue with a limit, until Run
// has got a share.
func New(cfg Config) *Keeper {
	need.Fields(cfg, "Store", "Room", "Node", "Limits", "Lanes", "Tell")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{cfg: cfg, look: make(chan struct{}, 1), bound: map[int32]store.Amount{}}
	k.Note()
	return k
}

// Note takes note of the limits as they are now: new ones hold when it returns.
func (k *Keeper) Note() {
	k.mu.Lock()
	was := k.limits
	k.limits = k.cfg.Limits()
	changed := len(was) != len(k.limits)
	for queue, l := range k.limits {
		old, had := was[queue]
		changed = changed || !had || string(old.Settings) != string(l.Settings)
		most, b := l.amount(), k.bound[queue]
		k.bound[queue] = store.Amount{Slots: min(b.Slots, most.Slots), Burst: min(b.Burst, most.Burst)}
		if !had || old.Rate != l.Rate || old.Burst != l.Burst {
			k.pace(queue, 0)
		}
	}
	for queue := range k.bound {
		if _, limited := k.limits[queue]; !limited {
			delete(k.bound, queue)
			k.cfg.Room.Pace(queue, 0, 0, 0)
		}
	}
	if changed {
		k.apply()
	}
	k.mu.Unlock()
	if changed {
		k.Look()
	}
}

// Look has Run look at the shares soon.
func (k *Keeper) Look() {
	select {
	case k.look <- struct{}{}:
	default:
	}
}

// Lost starts nothing more under the lease that was lost.
func (k *Keeper) Lost() {
	k.mu.Lock()
	k.life++
	for queue := range k.bound {
		k.bound[queue] = store.Amount{}
		k.pace(queue, 0)
	}
	k.apply()
	k.mu.Unlock()
	k.Look()
}

// Shares are what this node has of the limits of queues, by queue.
func (k *Keeper) Shares() map[int32]store.Amount {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.bound)
}

// apply keeps the room within what we have.
func (k *Keeper) apply() {
	slots := map[int32]int{}
	for queue, l := range k.limits {
		if l.Concurrency > 0 {
			slots[queue] = int(k.bound[queue].Slots)
		}
	}
	k.cfg.Room.Limit(slots)
}

// pace has a queue start as often as our part of its burst says.
func (k *Keeper) pace(queue int32, credit float64) (over float64) {
	l := k.limits[queue]
	if l.Rate.N == 0 {
		return k.cfg.Room.Pace(queue, 0, 0, 0)
	}
	every, burst := time.Duration(l.every()), k.bound[queue].Burst
	if burst > 0 {
		every = time.Duration(float64(every)*float64(l.amount().Burst)/float64(burst)) + 1
	}
	return k.cfg.Room.Pace(queue, every, int(burst), credit)
}

// How long until the shares are looked at again.
const (
	rest  = time.Second
	hurry = 50 * time.Millisecond // at least; and at first where something is in use that is to be given back
)

// Run has the shares follow what waits, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	wait, busy := time.Duration(0), hurry
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.look:
		case <-k.cfg.Room.Pressed():
		case <-time.After(wait):
		}
		if wait = rest*3/4 + rand.N(rest/2); k.step(ctx) {
			wait, busy = busy, min(2*busy, rest)
		} else {
			busy = hurry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(hurry):
		}
	}
}

// step looks at the shares once. busy: there is more to do when something has ended.
func (k *Keeper) step(ctx context.Context) (busy bool) {
	id, trusted := k.cfg.Node()
	k.mu.Lock()
	idle := len(k.limits) == 0 && !k.used
	life := k.life
	k.mu.Unlock()
	if idle || !trusted {
		return false
	}
	v, err := k.see(ctx, id)
	if err != nil {
		k.warn(ctx, err)
		return false
	}
	asks, busy := k.decide(v, life)
	if len(asks) == 0 {
		return busy
	}
	granted, err := k.cfg.Store.Share(ctx, id, asks)
	if err != nil {
		k.warn(ctx, err)
		return busy
	}
	k.take(asks, granted, life)
	k.cfg.Tell()
	return busy
}

func (k *Keeper) warn(ctx context.Context, err error) {
	if ctx.Err() == nil {
		k.cfg.Log.Warn("the limits of queues cannot be shared: this node keeps to what it has", "err", err)
	}
}
