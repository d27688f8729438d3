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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Version is what this code writes into its node row. It rises with what older
// nodes cannot settle, which waits until the last of them is gone.
const Version = 7 // 2: shares of the limits of queues; gates and dependencies. 3: callbacks. 4: paused namespaces. 5: attempts whose app tells how they end. 6: lines of groups. 7: webhook secrets of queues

// Meter notes how the lease fares.
type Meter interface {
	LeaseMargin(left time.Duration) // what was left of it when it was renewed
	LeaseLost()
}

// Work is what a node does beside being one.
type Work interface {
	Pools() []string                     // whose lanes it claims from, asked when it joins
	Held(age time.Duration) []store.Held // attempts that are under way for so long
	Stop(h store.Held)                   // an attempt is no longer ours
	Lost()                               // the lease was lost: drop everything; a new id follows
}

// Config of a Member. Store and Work are required, and Hint with Notify.
type Config struct {
	Store  store.Members
	Work   Work
	Notify store.Notifier   // nil: a single process, nobody to tell
	Hint   func(store.Hint) // from another node
	Name   string
	Roles  string
	Lease  time.Duration // default 10 s
	Beat   time.Duration // between heartbeats; default 3 s
	Meter  Meter         // nil = nobody looks
	Log    *slog.Logger  // nil = none
}

// Member is this server's membership. Safe for concurrent use.
type Member struct {
	cfg   Config
	id    atomic.Pointer[task.ID]
	until atomic.Pointer[time.Time] // trusted until; monotonic
	drain atomic.Bool               // it is stopping
	told  atomic.Bool               // it was told to drain
	lease sync.Mutex                // held to change id or until

	mu   sync.Mutex
	hint store.Hint
	send chan struct{}
	look chan struct{} // a renewal is to be made now
}

// New returns a member that is not registered yet.
func New(cfg Config) *Member {
	need.Fields(cfg, "Store", "Work")
	if cfg.Notify != nil {
		need.Fields(cfg, "Hint")
	}
	if cfg.Meter == nil {
		cfg.Meter = unmeasured{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Lease == 0 {
		cfg.Lease = 10 * time.Second
	}
	if cfg.Beat == 0 {
		cfg.Beat = 3 * time.Second
	}
	m := &Member{cfg: cfg, send: make(chan struct{}, 1), look: make(chan struct{}, 1)}
	m.id.Store(&task.ID{})
	m.until.Store(&time.Time{})
	return m
}

type unmeasured struct{}

func (unmeasured) LeaseMargin(time.Duration) {}
func (unmeasured) LeaseLost()                {}

// ID returns the node's id, and whether its lease can be trusted to be alive.
func (m *Member) ID() (id task.ID, trusted bool) {
	return *m.id.Load(), time.Now().Before(*m.until.Load())
}

// Join registers under a new id.
func (m *Member) Join(ctx context.Context) error {
	m.lease.Lock()
	defer m.lease.Unlock()
	return m.join(ctx)
}

func (m *Member) join(ctx context.Context) error {
	id := task.ID(uuid.Must(uuid.NewV7()))
	started := time.Now()
	n := store.Node{ID: id, Name: m.cfg.Name, Version: Version, Roles: m.cfg.Roles, Draining: m.drain.Load()}
	n.Pools = strings.Join(m.cfg.Work.Pools(), "\n")
	if err := m.cfg.Store.Register(ctx, n, m.cfg.Lease.Microseconds()); err != nil {
		return err
	}
	if m.told.Load() { // it stood in a row that is gone
		if err := m.cfg.Store.Drain(ctx, id, true); err != nil {
			return err
		}
	}
	m.id.Store(&id)
	m.trust(started)
	return nil
}

// trust extends the window in which the lease is certainly alive: a second is
// kept back for what this process does not see.
func (m *Member) trust(started time.Time) {
	until := started.Add(m.cfg.Lease - min(time.Second, m.cfg.Lease/10))
	if until.After(*m.until.Load()) {
		m.until.Store(&until)
	}
}

// Drain marks the node as one that takes no more work, for as long as the process lives.
func (m *Member) Drain() { m.drain.Store(true) }

// Draining tells whether the node takes no more work: it is stopping, or was told to drain.
func (m *Member) Draining() bool { return m.drain.Load() || m.told.Load() }

// Look has the node see at once whether it was told something.
func (m *Member) Look() {
	select {
	case m.look <- struct{}{}:
	default:
	}
}

// Leave gives the lease up; claims that are still open are rescued at once.
func (m *Member) Leave(ctx context.Context) error {
	m.until.Store(&time.Time{})
	return m.cfg.Store.Leave(ctx, *m.id.Load())
}

// Run renews the lease and carries hints until ctx ends. Join has been called.
// Each does its work by itself: whatever hangs or fails, the lease is renewed.
func (m *Member) Run(ctx context.Context) error {
	var work sync.WaitGroup
	work.Go(func() { m.beat(ctx) })
	work.Go(func() { m.watch(ctx) })
	if m.cfg.Notify != nil {
		work.Go(func() { m.tell(ctx) })
		work.Go(func() {
			if err := m.cfg.Notify.Listen(ctx, m.hear); err != nil && ctx.Err() == nil {
				m.cfg.Log.Warn("hints of other nodes are not heard, their tasks are found by polling", "err", err)
			}
		})
	}
	work.Wait()
	return nil
}

// renewals is how many may be under way at a time: one that hangs holds up none
// of the next.
const renewals = 3

// beat renews the lease every Beat, and again soon after a failure.
func (m *Member) beat(ctx context.Context) {
	var underWay sync.WaitGroup
	defer underWay.Wait()
	ended := make(chan bool, renewals)
	next := time.NewTimer(m.cfg.Beat)
	defer next.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case renewed := <-ended:
			n--
			if !renewed {
				next.Reset(m.cfg.Beat / 6)
			}
		case <-m.look:
			next.Reset(0)
		case <-next.C:
			next.Reset(m.cfg.Beat)
			if n < renewals {
				n++
				underWay.Go(func() { ended <- m.renew(ctx) })
			}
		}
	}
}

// renew extends the lease, or starts anew under another id when it was lost.
func (m *Member) renew(ctx context.Context) bool {
	started, id := time.Now(), *m.id.Load()
	left := m.until.Load().Sub(started)
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Lease)
	defer cancel()
	if id.IsZero() {
		return m.rejoin(ctx, id)
	}
	told, err := m.cfg.Store.Heartbeat(ctx, id, m.cfg.Lease.Microseconds(), m.drain.Load())
	switch {
	case err == nil:
		m.renewed(id, started, left)
		m.hears(told, id)
		return true
	case errors.Is(err, store.ErrNodeLost):
		return m.rejoin(ctx, id)
	case !errors.Is(ctx.Err(), context.Canceled):
		m.cfg.Log.Warn("heartbeat failed", "err", err)
	}
	return false
}

// hears notes what the node is told: to drain, or not to any more.
func (m *Member) hears(drain bool, id task.ID) {
	switch had := m.told.Swap(drain); {
	case drain && !had:
		m.cfg.Log.Info("this node was told to drain: it claims nothing more until that is taken back, or it is started anew", "node", id.String())
	case had && !drain:
		m.cfg.Log.Info("this node was told to drain no longer: it claims again", "node", id.String())
	}
}

func (m *Member) renewed(id task.ID, started time.Time, left time.Duration) {
	m.lease.Lock()
	defer m.lease.Unlock()
	if id == *m.id.Load() { // otherwise an old answer of a lease that was lost since
		m.cfg.Meter.LeaseMargin(left)
		m.trust(started)
	}
}

// rejoin drops what was done under a lost lease, once, and registers anew. Until
// that succeeds the node has no id.
func (m *Member) rejoin(ctx context.Context, lost task.ID) bool {
	m.lease.Lock()
	defer m.lease.Unlock()
	if lost != *m.id.Load() {
		return true // the renewal beside this one did it
	}
	if !lost.IsZero() {
		m.cfg.Log.Warn("the lease of this node was lost: dropping its attempts, joining anew", "node", lost.String())
		m.until.Store(&time.Time{})
		m.id.Store(&task.ID{})
		m.cfg.Meter.LeaseLost()
		m.cfg.Work.Lost()
	}
	if err := m.join(ctx); err != nil {
		m.cfg.Log.Warn("joining failed", "err", err)
		return false
	}
	return true
}

// watch stops attempts that were canceled or taken back without us hearing of
// it. Short ones end by themselves sooner than the next look. It reads the table
// of tasks, which may be locked for long, and so keeps away from the lease.
func (m *Member) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(m.cfg.Beat):
		}
		m.dropLost(ctx)
	}
}

func (m *Member) dropLost(ctx context.Context) {
	held := m.cfg.Work.Held(m.cfg.Beat / 2)
	if len(held) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Lease)
	defer cancel()
	lost, err := m.cfg.Store.Lost(ctx, held)
	if err != nil {
		return
	}
	for _, id := range lost {
		if i := slices.IndexFunc(held, func(h store.Held) bool { return h.ID == id }); i >= 0 {
			m.cfg.Work.Stop(held[i])
		}
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
	m.hint.Changed |= h.Changed
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
func (m *Member) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
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
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}
