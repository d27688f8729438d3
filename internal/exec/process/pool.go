//go:build unix

package process

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pool keeps warm workers and has them carry calls out. Safe for concurrent use.
type Pool struct {
	cfg     Config
	spawner spawner
	ring    atomic.Pointer[func()] // called when there may be more room

	mu      sync.Mutex
	workers map[int]*worker
	idle    []*worker // the one that has been for longest comes first
	line    queue
	number  int // of the next worker
	retired int // workers that were replaced because they were worn
	order   int // of the last call in line
	mean    time.Duration
	slots   chan struct{} // of commands under way
	open    chan struct{} // closed when processes can be started
	retry   time.Time     // not before that a worker is started: none could be
	fails   int           // in a row

	zygote   *zygote                // workers are forked from it; nil = each is started
	launched map[*launched]struct{} // processes that live
	cells    *cells                 // nil = there are no cgroups for them
	oomSeen  atomic.Int64           // how many around this one the system has ended for want of memory

	closed bool
	work   sync.WaitGroup
	ctx    context.Context //nolint:containedctx // of the starts under way
	cancel context.CancelFunc
}

// New returns a pool that has started nothing; see Run.
func New(cfg Config) (*Pool, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p := &Pool{cfg: cfg, workers: map[int]*worker{}, slots: make(chan struct{}, cfg.Max), launched: map[*launched]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.open = make(chan struct{})
	return p, nil
}

// OnChange has fn called when there may be more room.
func (p *Pool) OnChange(fn func()) { p.ring.Store(&fn) }

func (p *Pool) changed() {
	if fn := p.ring.Load(); fn != nil {
		(*fn)()
	}
}

// Run keeps workers, and ends all of them when ctx ends. Who calls it has waited for the
// attempts under way.
func (p *Pool) Run(ctx context.Context) error {
	p.begin()
	tick := time.NewTicker(min(p.cfg.Idle/2, time.Second))
	defer tick.Stop()
	for ctx.Err() == nil {
		p.look()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	p.close()
	return nil
}

// begin makes ready for starting processes. Without its guardian a pool works as well, and
// keeps less in order.
func (p *Pool) begin() {
	p.keepMemory()
	spawner := spawner(newDirect())
	if len(p.cfg.Guard) > 0 {
		guarded, err := newGuarded(p.cfg.Guard, p.cfg.Env)
		if err == nil {
			spawner = guarded
		} else {
			p.cfg.Log.Error("there is no guardian of processes: what tasks start may outlive this server", "err", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spawner = spawner
	if _, can := spawner.(adopter); can && p.cfg.Fork {
		p.zygote = &zygote{p: p}
	} else if p.cfg.Fork {
		p.cfg.Log.Warn("workers are started one by one: without a guardian nobody could look after those that are forked")
	}
	close(p.open)
}

// close retires the workers, all at once, and ends what is left of them.
func (p *Pool) close() {
	p.cancel()
	p.mu.Lock()
	p.closed = true
	for len(p.line) > 0 {
		heap.Pop(&p.line).(*waiting).got <- nil
	}
	for _, w := range p.workers {
		if w.state == idle { // who starts one sees that it is not needed, who has one brings it back
			p.retire(w, "the pool is closed")
		}
	}
	p.mu.Unlock()
	if p.zygote != nil {
		p.zygote.close()
	}
	p.work.Wait()
	p.spawner.close()
}

// Do carries a call out as soon as a worker is free. When ctx ends before, the result is
// that it was not started.
func (p *Pool) Do(ctx context.Context, c *Call) Result { return p.Enter(c).Run(ctx) }

// Entry is the place of a call: with a worker, or in line for one.
type Entry struct {
	p     *Pool
	call  *Call
	w     *worker
	waits *waiting // nil = it has a worker, or the pool is closed
}

// Enter gives a call a worker that is free, or else a place in line. Run has to be called
// for it.
func (p *Pool) Enter(c *Call) *Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := &Entry{p: p, call: c}
	switch {
	case p.closed:
	case len(p.idle) > 0:
		e.w = p.idle[0]
		p.idle = p.idle[1:]
		p.give(e.w, c)
	default:
		p.order++
		e.waits = &waiting{call: c, order: p.order, got: make(chan *worker, 1)}
		heap.Push(&p.line, e.waits)
		p.scale()
	}
	return e
}

// Worker is the number of the worker that the call was given when it came.
func (e *Entry) Worker() (number int, ok bool) {
	if e.w == nil {
		return 0, false
	}
	return e.w.number, true
}

// Run waits for a worker and for the end of the call. When ctx ends before there is one,
// the result is that it was not started.
func (e *Entry) Run(ctx context.Context) Result {
	for {
		if e.waits != nil {
			e.w = e.wait(ctx)
		}
		if e.w == nil {
			return Result{how: unstarted}
		}
		if e.call.Started != nil {
			e.call.Started(e.w.number)
		}
		r, alive := e.w.carry(ctx, e.call)
		e.p.release(e.w, &r, alive)
		if r.how != unstarted || ctx.Err() != nil {
			return r
		}
		e = e.p.Enter(e.call)
	}
}

// wait waits in line; nil = ctx has ended, or the pool is closed.
func (e *Entry) wait(ctx context.Context) *worker {
	for {
		var back <-chan time.Time
		if e.call.Back {
			back = time.After(lineLimit)
		}
		select {
		case w := <-e.waits.got:
			return w
		case <-ctx.Done():
			return e.p.giveUp(e.waits)
		case <-back:
			if e.p.crowded(e.waits) {
				return e.p.giveUp(e.waits)
			}
		}
	}
}

// crowded tells whether no worker is being started for a call in line: as many as there
// are before it, or fewer, are.
func (p *Pool) crowded(waits *waiting) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.starting()
	for i := 0; i < len(p.line) && left > 0; i++ {
		if p.line[i].before(waits) {
			left--
		}
	}
	return left == 0
}

// giveUp leaves the line. A worker that has come meanwhile is given on.
func (p *Pool) giveUp(waits *waiting) *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if waits.at >= 0 {
		heap.Remove(&p.line, waits.at)
	} else if w := <-waits.got; w != nil {
		p.free(w)
	}
	return nil
}

func (p *Pool) give(w *worker, c *Call) {
	w.state, w.call, w.since, w.stage = running, c, time.Now(), ""
}

// free gives a worker to who waits for longest, or has it wait itself. A pool that is
// closed has no need of it.
func (p *Pool) free(w *worker) {
	if p.closed {
		p.retire(w, "the pool is closed")
		return
	}
	w.state, w.call, w.since, w.stage = idle, nil, time.Now(), ""
	if len(p.line) == 0 {
		p.idle = append(p.idle, w)
		return
	}
	next := heap.Pop(&p.line).(*waiting)
	p.give(w, next.call)
	next.got <- w
}

// release takes a worker back after an attempt.
func (p *Pool) release(w *worker, r *Result, alive bool) {
	why := ""
	if alive {
		why = w.worn()
	}
	p.mu.Lock()
	if alive && w.unwanted {
		why = askedFor
	}
	if r.how != unstarted {
		w.done++
		p.mean = (p.mean*7 + r.took) / 8
	}
	switch {
	case !alive || why != "":
		if why != "" {
			p.retired++
		}
		p.retire(w, why)
		p.scale()
	default:
		p.free(w)
	}
	p.mu.Unlock()
}

// worn says why a worker is to be replaced; "" = it is not.
func (w *worker) worn() string {
	c := &w.p.cfg
	switch {
	case c.Age > 0 && time.Since(w.started) > c.Age:
		return "it is old"
	case c.Tasks > 0 && w.done+1 >= c.Tasks:
		return "it has done its tasks"
	case c.Memory > 0 && resident(w.pid) > c.Memory:
		return "it uses much memory"
	}
	return ""
}

// died is told by a worker that its process has ended.
func (p *Pool) died(w *worker) {
	p.mu.Lock()
	state := w.state
	p.idle = slices.DeleteFunc(p.idle, func(other *worker) bool { return other == w })
	if state != running { // who has it closes what it reads from
		w.closePipes()
	}
	if state == idle || state == starting {
		delete(p.workers, w.number)
	}
	p.scale()
	p.mu.Unlock()
	if state == idle {
		p.cfg.Log.Warn("a worker has ended while it did nothing", "worker", w.number, "pid", w.pid, "how", w.ended.String())
	}
}

// Room is for how many calls there is room, those under way included. While tasks are
// short, more are taken than there are workers, so that a worker does not wait for a
// commit: as many as the workers that are not busy with a long one do in the time of a
// slow one.
func (p *Pool) Room() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails > 0 && p.live() == 0 {
		return 0 // nobody could do them: another node may
	}
	return p.cfg.Max + p.ahead()
}

const (
	shortTask  = 20 * time.Millisecond
	mostsAhead = 512
	lineLimit  = 5 * shortTask // that what was taken ahead waits for a worker
)

func (p *Pool) ahead() int {
	if p.mean <= 0 || p.mean >= shortTask {
		return 0
	}
	quick := p.cfg.Max
	for _, w := range p.workers {
		if w.state == running && time.Since(w.since) > shortTask {
			quick--
		}
	}
	n := float64(quick) * float64(shortTask) / float64(p.mean)
	return int(math.Min(n, mostsAhead))
}

// waiting is a call in line for a worker.
type waiting struct {
	call  *Call
	order int
	at    int // in the line; -1 = it has left
	got   chan *worker
}

func (w *waiting) before(other *waiting) bool {
	a, b := w.call, other.call
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ReadyAt, b.ReadyAt), cmp.Compare(w.order, other.order)) < 0
}

// queue is a heap: by priority, then by who has been ready for longest.
type queue []*waiting

func (l queue) Len() int           { return len(l) }
func (l queue) Less(i, j int) bool { return l[i].before(l[j]) }

func (l queue) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].at, l[j].at = i, j
}

func (l *queue) Push(x any) {
	w := x.(*waiting)
	w.at = len(*l)
	*l = append(*l, w)
}

func (l *queue) Pop() any {
	old := *l
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*l, w.at = old[:len(old)-1], -1
	return w
}

// Worker is a worker as it is shown.
type Worker struct {
	Number  int
	PID     int
	Lang    string // as it says
	State   string // starting, idle, running, stopping
	Started time.Time
	Since   time.Time // in this state
	Done    int       // attempts that it has carried out
	Task    string    // that it carries out; "" = none
	Target  string
	Stage   string // of what is done to stop its task: asked, terminated, killed
	Memory  int64  // bytes resident; 0 = not known

	Replaced bool // it ends with its task, and another one is started
}

// Workers lists the workers, by number.
func (p *Pool) Workers() []Worker {
	p.mu.Lock()
	all := make([]Worker, 0, len(p.workers))
	for _, w := range p.workers {
		shown := Worker{
			Number: w.number, PID: w.pid, Lang: w.lang, State: string(w.state), Started: w.started, Since: w.since, Done: w.done, Stage: w.stage, Replaced: w.unwanted,
		}
		if w.call != nil {
			shown.Task, shown.Target = w.call.ID, w.call.Target
		}
		all = append(all, shown)
	}
	p.mu.Unlock()
	for i := range all {
		all[i].Memory = resident(all[i].PID)
	}
	slices.SortFunc(all, func(a, b Worker) int { return a.Number - b.Number })
	return all
}

// Free is how many workers wait for a call.
func (p *Pool) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// Waiting is how many calls wait for a worker.
func (p *Pool) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.line)
}

// Counts are how many workers there have been, and how many of them were replaced because
// they were old, had done enough or used much memory.
func (p *Pool) Counts() (made, retired int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.number, p.retired
}

// staged notes what is done to stop a worker's task.
func (p *Pool) staged(w *worker, stage string) {
	p.mu.Lock()
	w.stage = stage
	p.mu.Unlock()
	level := p.cfg.Log.Info
	if stage != stageAsked {
		level = p.cfg.Log.Warn
	}
	level("stopping a task", "worker", w.number, "pid", w.pid, "task_id", w.call.ID, "stage", stage)
}

// Config is what the pool was made with, defaults filled in.
func (p *Pool) Config() Config { return p.cfg }

func (p *Pool) String() string { return fmt.Sprintf("%d to %d workers", p.cfg.Min, p.cfg.Max) }

// Allows tells whether tasks with this target may be carried out here.
func (p *Pool) Allows(target string) bool { return p.cfg.Allows(target) }
