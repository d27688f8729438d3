// Package claim is the second room: persisted to leased. A [Loop] takes as many
// tasks from the store as their executor has room for and hands each to it; a
// [Room] counts what runs over all loops of a node.
//
// One goroutine owns everything that is remembered about the lines of waiting
// tasks: where the last claim ended (the cursor, which keeps claims cheap when
// the database cannot clean up behind them) and whether anything may wait there.
// Wakes lower a cursor, claims raise it, and two nets catch what neither saw: a
// poll every second and a rolling probe below the cursors.
package claim

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Config of a Loop. Store, Lanes, Node and Execute are required.
type Config struct {
	Name   string        // what it claims for, for logs
	Room   func() int    // attempts at a time that there is room for just now; default Slots(100). See Ring
	Within *Room         // shared by all loops of the node; default one of its own
	Poll   time.Duration // how often to look without being woken; default 1 s
	Store  store.Claimer
	Lanes  func() []store.Lane               // that this loop serves
	Node   func() (id task.ID, trusted bool) // untrusted: the lease may have run out, claim nothing

	// Execute carries out an attempt and returns what writes its end, which takes
	// no room any more; nil = nothing does. Both block. begin, unless it is nil, is to be
	// called when the attempt begins: one that ends before is no start of its queue's rate.
	Execute func(ctx context.Context, c *store.Claimed, begin func()) (settle func())

	// Weight is how many tasks of a lane are to start for one of another that takes turns with
	// it; nil = 1 of each.
	Weight func(store.Lane) int32

	Claimed func(n int) // for counting; nil = none
	Log     *slog.Logger
}

// Slots is room for a fixed number of attempts at a time.
func Slots(n int) func() int { return func() int { return n } }

// batchLimit bounds one claim, so that a big node does not take more at once
// than one transaction should move.
const batchLimit = 1000

// Loop claims from some lanes. Its methods may be called by several goroutines.
type Loop struct {
	cfg   Config
	lines *lines // owned by Run's goroutine

	mu       sync.Mutex
	woken    map[lineKey]span
	rode     map[store.Woken]bool // wakes still to come of what riding claims took
	expected map[lineKey]bool     // lines of tasks whose end is about to be written, and others depend on
	next     *ride                // of a claim of those, to be made; nil = none
	resting  bool                 // Run waits for something to do
	served   map[int32]bool       // lanes that Run knows
	riding   *ride                // of the claim that is being made, or was last
	open     map[task.ID]int      // claims in our hands: tasks not settled yet
	done     []task.ID            // claims whose tasks are all settled
	asked    []task.ID            // the claim that is being made, and the done ones that go with it
	flying   map[task.ID]*flight
	settling int  // attempts that have ended and whose end is not written yet
	alone    bool // a suspect runs: claim nothing beside it

	signal  chan struct{} // capacity 1: woken, or there is room
	tasks   sync.WaitGroup
	runs    context.Context //nolint:containedctx // of the attempts, until stop or cancel ends them
	cancel  context.CancelCauseFunc
	turns   int       // claims made
	tidy    bool      // a look has come by: done claims are closed now
	since   time.Time // since when a suspect waits
	probing int       // index of the line that the pass of the probe has come to
}

// New returns a loop; Run starts it.
func New(cfg Config) *Loop {
	need.Fields(cfg, "Store", "Lanes", "Node", "Execute")
	if cfg.Room == nil {
		cfg.Room = Slots(100)
	}
	if cfg.Weight == nil {
		cfg.Weight = func(store.Lane) int32 { return 1 }
	}
	if cfg.Within == nil {
		cfg.Within = NewRoom()
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Loop{
		cfg: cfg, lines: newLines(), woken: map[lineKey]span{}, rode: map[store.Woken]bool{}, expected: map[lineKey]bool{}, served: map[int32]bool{}, open: map[task.ID]int{},
		flying: map[task.ID]*flight{}, signal: make(chan struct{}, 1),
	}
	l.runs, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// Wake tells the loop that tasks wait. Lanes it does not serve are ignored.
func (l *Loop) Wake(woken []store.Woken) {
	news := false
	l.mu.Lock()
	for _, w := range woken {
		if l.claimedAlong(w) {
			continue
		}
		news = true
		k := lineKey{w.Lane, w.Priority}
		was, ok := l.woken[k]
		if !ok {
			was = span{w.Position, w.Position}
		}
		l.woken[k] = was.with(w.Position)
	}
	if news {
		l.riding.alight()
	}
	l.mu.Unlock()
	l.ring()
}

// Ring has the loop look again at once: there is more room than there was.
func (l *Loop) Ring() {
	l.mu.Lock()
	l.riding.alight()
	l.mu.Unlock()
	l.ring()
}

func (l *Loop) ring() {
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

// Run claims until ctx ends. Attempts under way go on; see Drain.
func (l *Loop) Run(ctx context.Context) error {
	poll := time.NewTimer(0)
	defer poll.Stop()
	probe := time.NewTimer(probeRest)
	defer probe.Stop()
	for {
		l.rest()
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			l.look(ctx)
			poll.Reset(l.cfg.Poll*3/4 + rand.N(l.cfg.Poll/2))
		case <-probe.C:
			probe.Reset(l.probe(ctx))
		case <-l.signal:
		}
		for ctx.Err() == nil && l.claim(ctx) {
		}
	}
}

// rest notes that nothing is left to do.
func (l *Loop) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resting = len(l.woken) == 0 && !l.lines.anyWaiting()
}

// look makes every line of every lane a candidate again, and now and then those of groups
// in which nothing has been.
func (l *Loop) look(ctx context.Context) {
	for i, lane := range l.cfg.Lanes() {
		l.mu.Lock()
		l.serve(lane)
		l.mu.Unlock()
		if lane.Pool != task.AnyPool && (lane.Group == "" || l.lines.turnOf(i)) {
			l.probeWindow(ctx, l.lines.get(lineKey{lane.ID, task.SuspectPriority}), 0, math.MaxInt64)
		}
	}
	l.lines.allWaiting()
	l.tidy = true
	l.probeRecent(ctx)
}

// claim takes one batch and tells whether to go on at once.
func (l *Loop) claim(ctx context.Context) bool {
	node, trusted := l.cfg.Node()
	free, rides := l.takeWakes()
	if !trusted || free <= 0 {
		return false
	}
	slots, free := l.request(free)
	slots, reserved := l.cfg.Within.reserve(l, slots)
	if len(slots) == 0 && !l.claimsToClose() {
		return false
	}
	l.tidy = false
	req := store.ClaimRequest{ID: task.ID(uuid.Must(uuid.NewV7())), Node: node, Slots: slots, Limit: free, Rides: rides}
	req.Done = l.takeDone(req.ID)
	batch, err := l.cfg.Store.Claim(context.WithoutCancel(ctx), req)
	if err != nil {
		// What was claimed, if anything, is in no hands: the rescue returns it.
		l.cfg.Log.Warn("claim failed", "executor", l.cfg.Name, "err", err)
		l.giveBackDone(req.Done)
		l.cfg.Within.enter(reserved, nil)
		select {
		case <-ctx.Done():
		case <-time.After(100*time.Millisecond + rand.N(200*time.Millisecond)):
		}
		return false
	}
	if last := l.lines.claimed(slots, &batch, free); rides != nil {
		l.ridden(last)
	}
	if l.cfg.Claimed != nil && len(batch.Tasks) > 0 {
		l.cfg.Claimed(len(batch.Tasks))
	}
	l.start(req.ID, batch.Tasks, reserved)
	return len(slots) > 0
}

// request chooses what to ask for. A suspect is asked for only when nothing else
// runs here.
func (l *Loop) request(free int) (slots []store.ClaimSlot, limit int) {
	if l.lines.suspectWaiting() && l.idle() {
		l.since = time.Time{}
		return l.lines.requestSuspect(), 1
	}
	if l.makingRoom() {
		return nil, 0
	}
	l.turns++
	free = min(free, batchLimit)
	return l.lines.request(free, l.turns%20 == 0), free
}

// makingRoom tells whether to claim nothing, so that a suspect which has waited
// for a second gets the node for itself: for ten seconds of every minute, since
// other attempts may take long.
func (l *Loop) makingRoom() bool {
	if !l.lines.suspectWaiting() {
		l.since = time.Time{}
		return false
	}
	if l.since.IsZero() {
		l.since = time.Now()
	}
	waited := time.Since(l.since)
	if waited > time.Minute {
		l.since = time.Now()
	}
	return waited > time.Second && waited < 11*time.Second
}

// takeWakes takes note of all wakes, and tells for how many tasks there is room, and
// what a claim of them may wait for.
func (l *Loop) takeWakes() (free int, rides <-chan struct{}) {
	room := l.cfg.Room()
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, at := range l.woken {
		w := store.Woken{Lane: k.lane, Priority: k.priority, Position: at.from}
		if at.from == at.to && l.claimedAlong(w) {
			continue
		}
		if l.lines.byKey[k] != nil || l.serves(k.lane) {
			l.lines.lower(w)
		}
	}
	clear(l.woken)
	rides = l.takeExpected(l.tidy || l.lines.anyWaiting())
	if l.alone && len(l.flying)+l.settling > 0 {
		return 0, nil
	}
	l.alone = false
	free = room - len(l.flying) - max(l.settling-max(room, unsettled), 0)
	return free, rides
}

// serve makes a lane known, and what its group weighs now. l.mu is held.
func (l *Loop) serve(lane store.Lane) {
	l.lines.addLane(lane, l.cfg.Weight(lane))
	l.served[lane.ID] = true
}

// serves tells whether a lane is this loop's, and makes it known. l.mu is held.
func (l *Loop) serves(lane int32) bool {
	for _, known := range l.cfg.Lanes() {
		if known.ID == lane {
			l.serve(known)
			return true
		}
	}
	return false
}

// takeDone returns the claims to close with the next one. Until that has been
// made, all of them count as being in our hands: a rescue that took a done claim
// for a forgotten one would take back tasks that run again under a newer claim.
func (l *Loop) takeDone(next task.ID) []task.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := l.done
	l.done = nil
	l.asked = append([]task.ID{next}, done...)
	return done
}

// claimsToClose tells whether to make a claim of nothing, only to close those
// that are done. Usually the next claim does it, for no commit of its own.
func (l *Loop) claimsToClose() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tidy && len(l.done) > 0
}

func (l *Loop) giveBackDone(done []task.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, done...)
	l.asked = nil
}
