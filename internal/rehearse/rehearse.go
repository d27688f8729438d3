// Package rehearse is a scheduler for durable functions in memory. It talks to
// them by the rules of the wire, and can be as unkind as a network: it loses
// answers, delivers results twice and in any order, and forgets who is warm.
//
// The SDK runs functions with it where there is no server, and its tests and
// the test kit use it for everything. It knows no types of users and keeps
// nothing on disk.
package rehearse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
)

// Serve carries out one request; done is called with whether the answer got
// through.
type Serve func(ctx context.Context, req *sdkv1.RunRequest) (res *sdkv1.RunResponse, done func(written bool))

// Scheduler is the server. Set its fields before the first Start.
type Scheduler struct {
	Serve Serve
	// Plain is a server of Dispatch that knows nothing of Sendoff's additions.
	Plain bool
	// Journal has the server keep the journal.
	Journal bool
	// Real has time pass as it does; otherwise it jumps to the next timer when
	// there is nothing to do.
	Real bool
	// Parallel is how many requests may be under way; 0 = 1.
	Parallel int
	// Attempts bounds the tries of a call that says nothing itself; 0 = 5.
	Attempts int
	// Shuffle picks calls and the order of results by chance.
	Shuffle *rand.Rand
	// Lose is the share of answers that are lost; Twice that of results that
	// come again; Forget that of resumes with the whole journal. They need Shuffle.
	Lose, Twice, Forget float64
	// Answer, when it is set, sees each call first, and may give its result.
	Answer func(*sdkv1.Call) *sdkv1.CallResult
	// Observe, when it is set, sees each exchange.
	Observe func(*sdkv1.RunRequest, *sdkv1.RunResponse)

	mu        sync.Mutex
	now       time.Time
	tasks     map[string]*run
	order     []string
	ready     []*run
	timers    []timer
	running   int
	listening int // runs under way that ask for messages
	finished  chan answer
	woken     chan struct{}
	serial    int
	blocked   error
	// Stats
	Requests, StateBytes, JournalBytes, Checkpoints int
}

type run struct {
	id, parent, root string
	correlation      uint64
	call             *sdkv1.Call
	created          time.Time
	expires          time.Time

	state   *anypb.Any
	journal [][]byte
	length  int64
	writer  int64
	token   int64
	epoch   int32 // tail calls so far
	attempt int
	resumed bool // has polled

	inbox    []*sdkv1.CallResult
	old      []*sdkv1.CallResult
	open     map[uint64]*run
	signals  []*sendoffv1.Signal
	pollFail *sdkv1.Error
	needFull bool

	undo, canceled bool // there is something to undo; it was canceled, and undoes it

	waiting       bool // suspended
	prompt        bool // a failure or a signal resumes it alone
	least, most   int
	serial        int // of the suspension, for its timer
	running, done bool
	detached      bool
	result        *sdkv1.CallResult
	status        sdkv1.Status
	request       *sdkv1.RunRequest // of the last attempt
	given         []message         // by Receive, to that attempt
	bell          chan struct{}     // closed when something came, or the call has ended
}

type timer struct {
	at time.Time
	fn func()
}

type answer struct {
	t   *run
	req *sdkv1.RunRequest
	res *sdkv1.RunResponse
	ok  func(bool)
}

// Start makes a call and returns its id.
func (s *Scheduler) Start(call *sdkv1.Call) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open()
	defer s.poke()
	return s.start(call, nil).id
}

func (s *Scheduler) open() {
	if s.tasks != nil {
		return
	}
	s.tasks = make(map[string]*run)
	s.finished, s.woken = make(chan answer, 64), make(chan struct{}, 1)
	s.now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if s.Real {
		s.now = time.Now()
	}
	if s.Attempts == 0 {
		s.Attempts = 5
	}
}

// Now is the server's clock.
func (s *Scheduler) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open()
	return s.clock()
}

func (s *Scheduler) clock() time.Time {
	if s.Real {
		return time.Now()
	}
	return s.now
}

func (s *Scheduler) start(call *sdkv1.Call, parent *run) *run {
	s.serial++
	t := &run{
		id: fmt.Sprintf("call-%d", s.serial), call: proto.CloneOf(call), created: s.clock(),
		open: make(map[uint64]*run), correlation: call.GetCorrelationId(), detached: call.GetOptions().GetDetached(),
	}
	t.root = t.id
	if parent != nil {
		t.parent, t.root = parent.id, parent.root
	}
	if e := call.GetExpiration(); e != nil && e.AsDuration() > 0 {
		t.expires = t.created.Add(e.AsDuration())
		s.at(t.expires, func() { s.stop(t, sdkv1.Status_STATUS_TIMEOUT, failure("TIMEOUT", "the call expired")) })
	}
	s.tasks[t.id] = t
	s.order = append(s.order, t.id)
	if s.Answer != nil {
		if r := s.Answer(call); r != nil {
			r.CorrelationId, r.DispatchId = t.correlation, t.id
			t.done, t.result = true, r
			s.deliver(parent, t)
			return t
		}
	}
	if d := call.GetOptions().GetDelay(); d.AsDuration() > 0 {
		s.at(s.clock().Add(d.AsDuration()), func() { s.push(t) })
		return t
	}
	s.push(t)
	return t
}

func failure(kind, message string) *sdkv1.CallResult {
	return &sdkv1.CallResult{Error: &sdkv1.Error{Type: kind, Message: message}}
}

func (s *Scheduler) push(t *run) {
	if !t.done && !t.running && !slices.Contains(s.ready, t) {
		s.ready = append(s.ready, t)
	}
}

func (s *Scheduler) at(at time.Time, fn func()) {
	s.timers = append(s.timers, timer{at, fn})
}

// After has fn called when that much time has passed. fn may call the scheduler.
func (s *Scheduler) After(d time.Duration, fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open()
	s.at(s.clock().Add(d), func() {
		s.mu.Unlock()
		defer s.mu.Lock()
		fn()
	})
}

// Signal gives a signal to a run.
func (s *Scheduler) Signal(id, name string, v *anypb.Any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	if t == nil {
		return fmt.Errorf("there is no run %s", id)
	}
	s.serial++
	t.signals = append(t.signals, &sendoffv1.Signal{Sequence: int64(s.serial), Name: name, Value: v})
	s.wake(t)
	s.poke()
	return nil
}

// Cancel cancels a run. One that has something to undo is told so, and ends when it
// has done that, after UndoTime at the latest.
func (s *Scheduler) Cancel(id string) error { return s.steer(id, s.cancel) }

// CancelNow cancels a run that undoes nothing, or nothing more.
func (s *Scheduler) CancelNow(id string) error { return s.steer(id, s.cancelNow) }

func (s *Scheduler) steer(id string, do func(*run)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	if t == nil || t.done {
		return fmt.Errorf("there is no run %s, or it has ended", id)
	}
	do(t)
	s.poke()
	return nil
}

func (s *Scheduler) poke() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Checkpoint appends to the journal of a run that is under way.
func (s *Scheduler) Checkpoint(_ context.Context, id string, token int64, a *sendoffv1.Append) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	if t == nil || t.token != token || t.done {
		return durable.ErrStale
	}
	s.Checkpoints++
	return s.append(t, token, a)
}

func (s *Scheduler) append(t *run, token int64, a *sendoffv1.Append) error {
	if a == nil {
		return nil
	}
	if a.GetOffset() != t.length {
		return fmt.Errorf("append at %d of %d bytes", a.GetOffset(), t.length)
	}
	t.journal = append(t.journal, a.GetSegment())
	t.length += int64(len(a.GetSegment()))
	t.writer = token
	s.JournalBytes += len(a.GetSegment())
	return nil
}

// Open returns the ids of the calls that have not ended, in the order of their
// start.
func (s *Scheduler) Open() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, id := range s.order {
		if !s.tasks[id].done {
			ids = append(ids, id)
		}
	}
	return ids
}

// Result returns how a call ended; nil when it has not.
func (s *Scheduler) Result(id string) (*sdkv1.CallResult, sdkv1.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	if t == nil || !t.done {
		return nil, 0
	}
	return t.result, t.status
}

// JournalOf returns the journal that is kept of a run.
func (s *Scheduler) JournalOf(id string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	if t == nil {
		return nil
	}
	return slices.Concat(t.journal...)
}

// ErrIdle says that nothing more will happen by itself.
var ErrIdle = errors.New("every call waits for something that does not come by itself, such as a signal")

// BlockedError says that code does not fit a journal.
type BlockedError struct{ Text string }

func (e *BlockedError) Error() string { return e.Text }

// Wait runs everything until a call has ended.
func (s *Scheduler) Wait(ctx context.Context, id string) (*sdkv1.CallResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open()
	for {
		t := s.tasks[id]
		switch {
		case t == nil:
			return nil, fmt.Errorf("there is no run %s", id)
		case s.blocked != nil:
			return nil, s.blocked
		case t.done && s.running == 0:
			return t.result, nil
		case ctx.Err() != nil && s.running == 0:
			return nil, ctx.Err()
		}
		if err := s.turn(ctx, t.done); err != nil {
			return nil, err
		}
	}
}

// turn does one thing.
func (s *Scheduler) turn(ctx context.Context, draining bool) error {
	if !draining && ctx.Err() == nil && len(s.ready) > 0 && s.running-s.listening < max(s.Parallel, 1) {
		s.launch(ctx, s.pick())
		return nil
	}
	next, ok := s.nextTimer()
	due := s.Real && ok && !s.timers[next].at.After(time.Now())
	if s.running > 0 && !due {
		s.await(ctx, -1)
		return nil
	}
	if !ok {
		return ErrIdle
	}
	if wait := time.Until(s.timers[next].at); s.Real && wait > 0 {
		s.await(ctx, wait)
		return nil
	}
	t := s.timers[next]
	s.timers = slices.Delete(s.timers, next, next+1)
	if t.at.After(s.now) {
		s.now = t.at
	}
	t.fn()
	return nil
}

func (s *Scheduler) nextTimer() (int, bool) {
	best := -1
	for i, t := range s.timers {
		if best < 0 || t.at.Before(s.timers[best].at) {
			best = i
		}
	}
	return best, best >= 0
}

// await waits for an answer, a signal or a time; wait < 0 = for any time.
func (s *Scheduler) await(ctx context.Context, wait time.Duration) {
	s.mu.Unlock()
	defer s.mu.Lock()
	var due <-chan time.Time
	if s.Real {
		if wait < 0 {
			wait = 10 * time.Millisecond // timers may fall due meanwhile
		}
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	var ended <-chan struct{}
	if s.Real {
		ended = ctx.Done()
	}
	select {
	case a := <-s.finished:
		s.mu.Lock()
		s.running--
		s.settle(a)
		s.mu.Unlock()
	case <-s.woken:
	case <-due:
	case <-ended:
		time.Sleep(time.Millisecond)
	}
}

func (s *Scheduler) pick() *run {
	i := 0
	if s.Shuffle != nil {
		i = s.Shuffle.IntN(len(s.ready))
	}
	t := s.ready[i]
	s.ready = slices.Delete(s.ready, i, i+1)
	return t
}

func (s *Scheduler) chance(p float64) bool {
	return s.Shuffle != nil && p > 0 && s.Shuffle.Float64() < p
}

func (s *Scheduler) launch(ctx context.Context, t *run) {
	t.running, t.waiting = true, false
	t.token++
	t.attempt++
	req := s.request(t)
	t.request, t.given = req, nil
	s.running++
	s.Requests++
	go func() {
		res, ok := s.Serve(ctx, req)
		s.finished <- answer{t, req, res, ok}
	}()
}

// request builds a request; one that repeats an attempt brings the same.
func (s *Scheduler) request(t *run) *sdkv1.RunRequest {
	req := &sdkv1.RunRequest{
		Function: t.call.GetFunction(), DispatchId: t.id, ParentDispatchId: t.parent, RootDispatchId: t.root,
		CreationTime: timestamppb.New(t.created),
	}
	if !t.expires.IsZero() {
		req.ExpirationTime = timestamppb.New(t.expires)
	}
	if t.resumed {
		n := min(len(t.inbox), max(t.most, 1), 1000)
		poll := &sdkv1.PollResult{Results: slices.Clone(t.inbox[:n]), Error: t.pollFail}
		if s.chance(s.Twice) && len(t.old) > 0 {
			again := t.old[s.Shuffle.IntN(len(t.old))]
			poll.Results = slices.Insert(poll.Results, s.Shuffle.IntN(len(poll.Results)+1), again)
		}
		if t.state != nil {
			poll.State = &sdkv1.PollResult_TypedCoroutineState{TypedCoroutineState: t.state}
			s.StateBytes += len(t.state.GetValue())
		}
		req.Directive = &sdkv1.RunRequest_PollResult{PollResult: poll}
	} else {
		req.Directive = &sdkv1.RunRequest_Input{Input: t.call.GetInput()}
	}
	if s.Plain {
		return req
	}
	req.Context = &sendoffv1.RunContext{
		Token: t.token, Attempt: int32(t.attempt), Now: timestamppb.New(s.clock()), Signals: slices.Clone(t.signals),
		Epoch: t.epoch, Canceled: t.canceled, Told: new(int64),
	}
	if s.Journal {
		j := &sendoffv1.Journal{Length: t.length, Writer: t.writer, Complete: t.length == 0}
		if t.needFull || s.chance(s.Forget) {
			j.Segments, j.Complete, t.needFull = slices.Clone(t.journal), true, false
		}
		req.Context.Journal = j
	}
	return req
}
