// Package node keeps this server a member of the deployment: it registers,
// renews its lease, notices when the lease was lost, tells the other nodes what
// changed and hears it from them.
//
// The trust window follows River's leader election: a renewal counts from the
// moment its request started, so a slow answer cannot stretch it.
package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// SchemaVersion is what this code writes into its node row; newer features wait
// for the slowest node.
const SchemaVersion = 1

// Config of a Member. Store is required; functions may be nil.
type Config struct {
	Store  store.Members
	Notify store.Notifier // nil: a single process, nobody to tell
	Name   string
	Roles  string
	Pools  string
	Lease  time.Duration // default 10 s
	Beat   time.Duration // between heartbeats; default 3 s

	Lost   func()                               // the lease was lost: drop everything; a new id follows
	Held   func(age time.Duration) []store.Held // attempts under way
	Stop   func(id task.ID)                     // an attempt is no longer ours
	Hint   func(store.Hint)                     // from another node
	Margin func(left time.Duration)
	Log    *slog.Logger
}

// Member is this server's membership. Safe for concurrent use.
type Member struct {
	cfg   Config
	id    atomic.Pointer[task.ID]
	until atomic.Pointer[time.Time] // trusted until; monotonic
	drain atomic.Bool

	mu   sync.Mutex
	hint store.Hint
	send chan struct{}
}

// New returns a member that is not registered yet.
func New(cfg Config) *Member {
	if cfg.Lease == 0 {
		cfg.Lease = 10 * time.Second
	}
	if cfg.Beat == 0 {
		cfg.Beat = 3 * time.Second
	}
	m := &Member{cfg: cfg, send: make(chan struct{}, 1)}
	m.id.Store(&task.ID{})
	m.until.Store(&time.Time{})
	return m
}

// ID returns the node's id, and whether its lease can be trusted to be alive.
func (m *Member) ID() (id task.ID, trusted bool) {
	return *m.id.Load(), time.Now().Before(*m.until.Load())
}

// Join registers under a new id.
func (m *Member) Join(ctx context.Context) error {
	id := task.ID(uuid.Must(uuid.NewV7()))
	started := time.Now()
	n := store.Node{ID: id, Name: m.cfg.Name, Version: SchemaVersion, Roles: m.cfg.Roles, Pools: m.cfg.Pools}
	if err := m.cfg.Store.Register(ctx, n, m.cfg.Lease.Microseconds()); err != nil {
		return err
	}
	m.id.Store(&id)
	m.trust(started)
	return nil
}

// trust extends the window in which the lease is certainly alive: a second is
// kept back for what this process does not see.
func (m *Member) trust(started time.Time) {
	until := started.Add(m.cfg.Lease - min(time.Second, m.cfg.Lease/10))
	m.until.Store(&until)
}

// Drain marks the node as one that takes no more work.
func (m *Member) Drain() { m.drain.Store(true) }

// Leave gives the lease up; claims that are still open are rescued at once.
func (m *Member) Leave(ctx context.Context) error {
	m.until.Store(&time.Time{})
	return m.cfg.Store.Leave(ctx, *m.id.Load())
}

// Run renews the lease and carries hints until ctx ends. Join has been called.
func (m *Member) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.beat(ctx) })
	if m.cfg.Notify != nil {
		g.Go(func() error { return m.tell(ctx) })
		g.Go(func() error { return m.cfg.Notify.Listen(ctx, m.hear) })
	}
	return g.Wait()
}

func (m *Member) beat(ctx context.Context) error {
	wait := m.cfg.Beat
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		if wait = m.cfg.Beat; !m.renew(ctx) {
			wait = m.cfg.Beat / 6 // soon again, while the lease may last
		}
	}
}

// renew extends the lease, or starts anew under another id when it was lost.
func (m *Member) renew(ctx context.Context) bool {
	started := time.Now()
	left := m.until.Load().Sub(started)
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Lease)
	defer cancel()
	err := m.cfg.Store.Heartbeat(ctx, *m.id.Load(), m.cfg.Lease.Microseconds(), m.drain.Load())
	switch {
	case err == nil:
		m.cfg.Margin(left)
		m.trust(started)
		m.dropLost(ctx)
		return true
	case errors.Is(err, store.ErrNodeLost):
		m.cfg.Log.Warn("the lease of this node was lost: dropping its attempts, joining anew", "node", m.id.Load().String())
		m.until.Store(&time.Time{})
		m.cfg.Lost()
		if err := m.Join(ctx); err != nil {
			m.cfg.Log.Warn("joining failed", "err", err)
			return false
		}
		return true
	case ctx.Err() == nil:
		m.cfg.Log.Warn("heartbeat failed", "err", err)
	}
	return false
}

// dropLost stops attempts that were canceled or taken back without us hearing
// of it. Short ones end by themselves sooner than the next beat.
func (m *Member) dropLost(ctx context.Context) {
	held := m.cfg.Held(m.cfg.Beat / 2)
	if len(held) == 0 {
		return
	}
	lost, err := m.cfg.Store.Lost(ctx, held)
	if err != nil {
		return
	}
	for _, id := range lost {
		m.cfg.Stop(id)
	}
}

// Tell sends a hint to the other nodes, together with others that wait.
func (m *Member) Tell(h store.Hint) {
	if m.cfg.Notify == nil {
		return
	}
	m.mu.Lock()
	for _, w := range h.Woken {
		m.hint.Woken = store.Collect(m.hint.Woken, w)
	}
	m.hint.Canceled = append(m.hint.Canceled, h.Canceled...)
	m.hint.Catalog = m.hint.Catalog || h.Catalog
	m.mu.Unlock()
	select {
	case m.send <- struct{}{}:
	default:
	}
}

// hear passes on what other nodes tell. Our own hints come back to us as well,
// when we have long acted on them.
func (m *Member) hear(h store.Hint) {
	if h.From != *m.id.Load() {
		m.cfg.Hint(h)
	}
}

// tell sends what has gathered, at most once every 20 ms: a NOTIFY takes a lock
// of the whole database cluster at its commit.
func (m *Member) tell(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.send:
		}
		m.mu.Lock()
		h := m.hint
		h.From = *m.id.Load()
		m.hint = store.Hint{}
		m.mu.Unlock()
		if err := m.cfg.Notify.Notify(ctx, h); err != nil && ctx.Err() == nil {
			m.cfg.Log.Debug("hint not sent", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}
