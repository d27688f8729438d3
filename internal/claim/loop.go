// Package claim is the second room: persisted to leased. A [Loop] takes as many
// tasks from the store as its node has room for and hands each to the executor.
//
// One goroutine owns everything that is remembered about the lines of waiting
// tasks: where the last claim ended (the cursor, which keeps claims cheap when
// the database cannot clean up behind them) and whether anything may wait there.
// Wakes lower a cursor, claims raise it, and two nets catch what neither saw: a
// poll every second and a rolling probe below the cursors.
package claim

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Config of a Loop. All fields but Log, Slots, Poll and Claimed are required.
type Config struct {
	Name    string        // of the executor, for logs
	Slots   int           // tasks at a time; default 100
	Poll    time.Duration // how often to look without being woken; default 1 s
	Store   store.Claimer
	Lanes   func() []store.Lane                         // that this loop serves
	Node    func() (id task.ID, trusted bool)           // untrusted: the lease may have run out, claim nothing
	Execute func(ctx context.Context, c *store.Claimed) // carries out and settles; blocks
	Claimed func(n int)
	Log     *slog.Logger
}

// batchLimit bounds one claim, so that a big node does not take more at once
// than one transaction should move.
const batchLimit = 1000

// Loop claims for one executor.
type Loop struct {
	cfg   Config
	lines *lines // owned by Run's goroutine

	mu     sync.Mutex
	woken  map[lineKey]int64
	open   map[task.ID]int // claims in our hands: tasks not settled yet
	done   []task.ID       // claims whose tasks are all settled
	asked  []task.ID       // the claim that is being made, and the done ones that go with it
	flying map[task.ID]*flight
	alone  bool // a suspect runs: claim nothing beside it

	signal  chan struct{} // capacity 1: woken, or a slot is free
	tasks   sync.WaitGroup
	runs    context.Context //nolint:containedctx // of the attempts, until stop or cancel ends them
	cancel  context.CancelCauseFunc
	turns   int       // claims made
	tidy    bool      // a look has come by: done claims are closed now
	since   time.Time // since when a suspect waits
	probing int       // index of the line that the pass of the probe has come to
}

// errTakenBack ends an attempt whose task is claimed again.
var errTakenBack = errors.New("the task was taken back and claimed again")

// flight is an attempt under way.
type flight struct {
	token   int64
	started time.Time
	cancel  context.CancelCauseFunc
}

// New returns a loop; Run starts it.
func New(cfg Config) *Loop {
	if cfg.Slots == 0 {
		cfg.Slots = 100
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Loop{
		cfg: cfg, lines: newLines(), woken: map[lineKey]int64{}, open: map[task.ID]int{},
		flying: map[task.ID]*flight{}, signal: make(chan struct{}, 1),
	}
	l.runs, l.cancel = context.WithCancelCause(context.Background())
	return l
}

// Wake tells the loop that tasks wait. Lanes it does not serve are ignored.
func (l *Loop) Wake(woken []store.Woken) {
	l.mu.Lock()
	for _, w := range woken {
		k := lineKey{w.Lane, w.Priority}
		if pos, ok := l.woken[k]; !ok || w.Position < pos {
			l.woken[k] = w.Position
		}
	}
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

// look makes every line of every lane a candidate again.
func (l *Loop) look(ctx context.Context) {
	for _, lane := range l.cfg.Lanes() {
		l.lines.addLane(lane.ID)
		if lane.Pool != task.AnyPool {
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
	free := l.takeWakes()
	if !trusted || free <= 0 {
		return false
	}
	slots, free := l.request(free)
	if len(slots) == 0 && !l.claimsToClose() {
		return false
	}
	l.tidy = false
	req := store.ClaimRequest{ID: task.ID(uuid.Must(uuid.NewV7())), Node: node, Slots: slots, Limit: free}
	req.Done = l.takeDone(req.ID)
	batch, err := l.cfg.Store.Claim(context.WithoutCancel(ctx), req)
	if err != nil {
		// What was claimed, if anything, is in no hands: the rescue returns it.
		l.cfg.Log.Warn("claim failed", "executor", l.cfg.Name, "err", err)
		l.giveBackDone(req.Done)
		select {
		case <-ctx.Done():
		case <-time.After(100*time.Millisecond + rand.N(200*time.Millisecond)):
		}
		return false
	}
	l.lines.claimed(slots, &batch, free)
	if l.cfg.Claimed != nil && len(batch.Tasks) > 0 {
		l.cfg.Claimed(len(batch.Tasks))
	}
	l.start(req.ID, batch.Tasks)
	return len(slots) > 0
}

// request chooses what to ask for. A suspect is asked for only when nothing else
// runs here.
func (l *Loop) request(free int) (slots []store.ClaimSlot, limit int) {
	if l.lines.suspectWaiting() && l.inFlight() == 0 {
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

func (l *Loop) takeWakes() (free int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, pos := range l.woken {
		if l.lines.byKey[k] != nil || l.serves(k.lane) {
			l.lines.lower(store.Woken{Lane: k.lane, Priority: k.priority, Position: pos})
		}
	}
	clear(l.woken)
	if l.alone && len(l.flying) > 0 {
		return 0
	}
	l.alone = false
	return l.cfg.Slots - len(l.flying)
}

func (l *Loop) serves(lane int32) bool {
	for _, known := range l.cfg.Lanes() {
		if known.ID == lane {
			l.lines.addLane(lane)
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

// start runs the tasks of a claim.
func (l *Loop) start(claim task.ID, tasks []store.Claimed) {
	l.mu.Lock()
	l.asked = nil
	if len(tasks) == 0 {
		l.mu.Unlock()
		return
	}
	l.open[claim] = len(tasks)
	l.alone = tasks[0].Priority == task.SuspectPriority
	now := time.Now()
	ctxs := make([]context.Context, len(tasks))
	for i := range tasks {
		f := &flight{token: tasks[i].Token, started: now}
		ctxs[i], f.cancel = context.WithCancelCause(l.runs) //nolint:fatcontext // one each, not nested
		if old := l.flying[tasks[i].ID]; old != nil {
			old.cancel(errTakenBack)
		}
		l.flying[tasks[i].ID] = f
	}
	l.mu.Unlock()
	for i := range tasks {
		l.tasks.Go(func() {
			l.cfg.Execute(ctxs[i], &tasks[i])
			l.finished(claim, &tasks[i])
		})
	}
}

func (l *Loop) finished(claim task.ID, c *store.Claimed) {
	l.mu.Lock()
	if f := l.flying[c.ID]; f != nil && f.token == c.Token {
		f.cancel(nil)
		delete(l.flying, c.ID)
	}
	if left, ok := l.open[claim]; ok && left > 1 {
		l.open[claim] = left - 1
	} else if ok {
		delete(l.open, claim)
		l.done = append(l.done, claim)
	}
	l.mu.Unlock()
	l.ring()
}

func (l *Loop) inFlight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.flying)
}

// InFlight is how many attempts are under way.
func (l *Loop) InFlight() int { return l.inFlight() }

// Claims lists the claims in the loop's hands.
func (l *Loop) Claims() []task.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := slices.Concat(l.done, l.asked)
	for id := range l.open {
		ids = append(ids, id)
	}
	return ids
}

// Held lists the attempts that have been under way for at least age.
func (l *Loop) Held(age time.Duration) []store.Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	var held []store.Held
	for id, f := range l.flying {
		if time.Since(f.started) >= age {
			held = append(held, store.Held{ID: id, Token: f.token})
		}
	}
	return held
}

// Stop cancels the attempt of a task that is no longer ours, with a cause.
func (l *Loop) Stop(id task.ID, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.flying[id]; f != nil {
		f.cancel(cause)
	}
}

// Drop cancels all attempts and forgets all claims: the node's lease is lost and
// others may run them already.
func (l *Loop) Drop(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.flying {
		f.cancel(cause)
	}
	clear(l.open)
	l.done = nil
}

// Drain waits for the attempts under way, and when ctx ends before, cancels
// them with the cause and waits for what they do about it. Run has returned.
func (l *Loop) Drain(ctx context.Context, cause error) {
	over := make(chan struct{})
	go func() { l.tasks.Wait(); close(over) }()
	select {
	case <-over:
	case <-ctx.Done():
		l.cancel(cause)
		<-over
	}
	l.closeClaims()
}

// closeClaims deletes the rows of claims that are done, so that nobody looks at
// them again; when it fails, the rescue does it.
func (l *Loop) closeClaims() {
	node, _ := l.cfg.Node()
	id := task.ID(uuid.Must(uuid.NewV7()))
	if done := l.takeDone(id); len(done) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, _ = l.cfg.Store.Claim(ctx, store.ClaimRequest{ID: id, Node: node, Done: done})
	}
}
