package dispatcherd

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/task"
)

// Recorder keeps tasks on disk, and has them carried out by the pool of the service: each
// attempt comes to it as a message (process.Config.Message).
type Recorder interface {
	// Run carries out what is recorded, until ctx ends, and nothing is begun any more.
	Run(ctx context.Context) error

	// Add records tasks, all that can be. It says of each what was wrong with it: ErrDropped,
	// or what the database does not take. err is of the database, and then nobody knows
	// which of them were recorded.
	Add(ctx context.Context, all []Record) (faults []error, err error)

	// Cancel ends a task that has not begun.
	Cancel(ctx context.Context, id string) error

	// Waiting lists tasks of this node that have not begun, the oldest first.
	Waiting(ctx context.Context) ([]Record, error)

	// Take makes tasks of what was handed in for some channels by other ways than a broker,
	// as many as it takes at a time, and tells how many that were. read makes a record of each,
	// but for its ID; what it does not take is dropped.
	Take(ctx context.Context, channels []string, read func(channel string, message []byte) (Record, error)) (int, error)

	// Ended tells which of some tasks have ended, or are gone.
	Ended(ctx context.Context, ids []string) ([]string, error)

	Ready(ctx context.Context) error // tells whether the database answers
}

// Open opens what tasks of a service are recorded in, for its pool to carry them out.
type Open func(ctx context.Context, s *Service) (Recorder, error)

// ErrDropped says of a task that its rule for duplicates does not want it.
var ErrDropped = errors.New("it is a duplicate that is not wanted")

// Record is a task that is to be recorded.
type Record struct {
	ID          string // a UUID of version 7, new
	Channel     string // that it came over
	Shared      bool   // any node may run it that serves the channel; otherwise this one
	Task        string // what is to be run
	UUID        string // as its publisher has it; "" = it is no text
	Message     []byte
	Delay       time.Duration
	Timeout     time.Duration // 0 = none
	OnDuplicate string
	Same        string            // equal for duplicates
	Retry       *task.RetryPolicy // nil = it has one attempt, and what has begun is never begun again
	After       []string          // ids of tasks that it waits for: the same work, without a rule
}

// defaultQueue is the channel of what comes over none.
const defaultQueue = "default"

const (
	mostWritten = 500             // tasks that are recorded at a time
	patience    = 5 * time.Second // with the database, before tasks are held in memory
)

// records is what a service knows of its records. All but open and signal is under the lock
// of the service.
type records struct {
	open   Open
	to     Recorder // nil = there is none, or not yet
	away   bool     // it does not answer
	inbox  []*item  // to be written
	writes bool     // some are being written
	cancel []*item  // to be canceled
	byID   map[string]*item
	signal chan struct{} // capacity 1: there is something to write
	handed chan struct{} // capacity 1: there may be something to take
	tried  chan struct{} // closed when it was opened, or could not be, for the first time
	unkept int           // tasks that were held in memory although they were to be recorded
}

// keep has a task recorded that came over a channel, and tells whether it will be.
func (s *Service) keep(m *message, channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.record
	if r == nil || s.stopped || slices.Contains(s.cfg.Memory, channel) {
		return false
	}
	if r.to == nil || r.away {
		r.unkept++
		return false
	}
	if !s.allows(m) {
		return true
	}
	after, fits := s.after(m)
	if !fits {
		return false
	}
	if len(after) > 0 && (m.onDup == "discard" || m.onDup == "queue_one" && slices.ContainsFunc(s.blocked, m.isSame)) {
		s.discarded++
		return true
	}
	it := &item{m: m, id: uuid.Must(uuid.NewV7()).String(), channel: channel, after: after}
	r.byID[it.id] = it
	r.inbox = append(r.inbox, it)
	s.place(it)
	poke(r.signal)
	return true
}

// after are the tasks that a rule for duplicates has a task wait for and that have no rule
// themselves: the database keeps those apart that have one. A task in memory does not fit:
// only memory knows of it.
func (s *Service) after(m *message) (ids []string, fits bool) {
	if m.onDup != "serial" && m.onDup != "discard" && m.onDup != "queue_one" {
		return nil, true
	}
	for _, list := range [][]*item{s.running, s.line, s.again} {
		for _, it := range list {
			switch {
			case !m.isSame(it):
			case it.id == "":
				return nil, false
			case it.m.onDup == "" || it.m.onDup == "parallel":
				ids = append(ids, it.id)
			}
		}
	}
	return ids, m.delay == 0 || len(ids) == 0
}

// poke says over a channel of capacity 1 that there is something to do.
func poke(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// place lists a recorded task where it waits.
func (s *Service) place(it *item) {
	if it.m.delay > 0 {
		s.delayed = append(s.delayed, it)
		it.timer = time.AfterFunc(it.m.delay, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.take1(&s.delayed, it) {
				s.enter(it)
			}
		})
		return
	}
	s.enter(it)
}

// enter lists a recorded task that is due.
func (s *Service) enter(it *item) {
	if (it.m.onDup == "serial" || it.m.onDup == "queue_one") && s.isThere(it.m) {
		s.blocked = append(s.blocked, it)
		return
	}
	s.line = append(s.line, it)
	s.demand.note(len(s.line) + len(s.running))
}

// leave takes a task off the lists of those that wait.
func (s *Service) leave(it *item) {
	if it.timer != nil {
		it.timer.Stop()
	}
	_ = s.take1(&s.delayed, it) || s.take1(&s.blocked, it) || s.take1(&s.line, it) || s.take1(&s.again, it)
}

// write writes what is to be written, until ctx ends; what is left then is for flush.
func (s *Service) write(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.record.signal:
			s.flush()
		case <-tick.C:
			s.look(ctx)
			s.tidy(ctx)
			s.takeAll(ctx)
		case <-s.record.handed:
			s.takeAll(ctx)
		}
	}
}

// look sees whether a database answers again that did not.
func (s *Service) look(ctx context.Context) {
	s.mu.Lock()
	to, away := s.record.to, s.record.away
	s.mu.Unlock()
	if to == nil || !away || to.Ready(ctx) != nil {
		return
	}
	s.mu.Lock()
	s.record.away = false
	s.mu.Unlock()
	s.log.Info("tasks are recorded again")
	poke(s.record.signal)
}

// flush writes all there is.
func (s *Service) flush() {
	for {
		s.mu.Lock()
		r := s.record
		n := r.next()
		batch, cancels, to := r.inbox[:n:n], r.cancel, r.to
		r.inbox, r.cancel, r.writes = r.inbox[n:], nil, n > 0
		s.mu.Unlock()
		if n == 0 && len(cancels) == 0 {
			return
		}
		if n > 0 {
			s.add(to, batch)
		}
		s.cancelAll(to, cancels)
	}
}

// next is how many of the inbox are written at once. One that waits for others comes after
// them.
func (r *records) next() int {
	n := min(len(r.inbox), mostWritten)
	for i := 1; i < n; i++ {
		if len(r.inbox[i].after) > 0 {
			return i
		}
	}
	return n
}

// add records tasks, and holds those in memory that could not be.
func (s *Service) add(to Recorder, batch []*item) {
	if to == nil {
		s.unrecorded(batch, true)
		return
	}
	all := make([]Record, len(batch))
	for i, it := range batch {
		all[i] = s.recordOf(it)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	faults, err := to.Add(ctx, all)
	cancel()
	if err != nil {
		s.log.Error("tasks are held in memory: they could not be recorded", "tasks", len(batch), "err", err)
		s.mu.Lock()
		s.record.away = true
		s.mu.Unlock()
		s.unrecorded(batch, true)
		return
	}
	var refused []*item
	for i, fault := range faults {
		switch {
		case errors.Is(fault, ErrDropped):
			s.mu.Lock()
			s.leave(batch[i])
			s.discarded++
			delete(s.record.byID, batch[i].id)
			s.mu.Unlock()
		case fault != nil:
			s.log.Warn("a task is held in memory: it cannot be recorded", "task", batch[i].m.task, "uuid", string(batch[i].m.fields["uuid"]), "err", fault)
			refused = append(refused, batch[i])
		}
	}
	s.unrecorded(refused, false)
}

// takeAll takes all that was handed in for the channels of this service.
func (s *Service) takeAll(ctx context.Context) {
	s.mu.Lock()
	to, away := s.record.to, s.record.away
	s.mu.Unlock()
	if to == nil || away || s.cfg.Notify == nil || len(s.cfg.Notify.Channels) == 0 {
		return
	}
	for n := 1; n > 0 && ctx.Err() == nil; {
		var err error
		if n, err = to.Take(ctx, s.cfg.Notify.Channels, s.handedIn); err != nil {
			if ctx.Err() == nil {
				s.log.Error("what was submitted in SQL waits: it could not be read, or not be recorded", "err", err)
			}
			return
		}
	}
}

// handedIn makes a record of a message that no broker has brought.
func (s *Service) handedIn(channel string, text []byte) (Record, error) {
	m, err := parse(text)
	if err == nil {
		s.mu.Lock()
		m.complete(s.received, channel)
		s.received++
		s.mu.Unlock()
		err = m.read()
	}
	if err == nil && (m.fields["control"] != nil || !s.allows(m)) {
		err = errors.New("is no task that may run here")
	}
	if err != nil {
		s.mu.Lock()
		s.wrong++
		s.mu.Unlock()
		s.log.Error("a message is dropped", "channel", channel, "err", err)
		return Record{}, err
	}
	r := s.recordOf(&item{m: m, channel: channel})
	r.Shared = true
	return r, nil
}

func (s *Service) recordOf(it *item) Record {
	m := it.m
	uuid, _ := text(m.fields["uuid"])
	return Record{
		ID: it.id, Channel: it.channel, Shared: s.cfg.Notify.shares(it.channel), Task: m.task, UUID: uuid, Message: m.raw,
		Delay: m.delay, Timeout: m.timeout, OnDuplicate: m.onDup, Same: m.same, After: it.after,
		Retry: s.retryOf(m, it.channel),
	}
}

// unrecorded carries tasks out from memory. perhaps says that they may be recorded all the
// same: an attempt that comes of it is not begun.
func (s *Service) unrecorded(batch []*item, perhaps bool) {
	for _, it := range batch {
		s.mu.Lock()
		s.record.unkept++
		begun := it.cancel != nil // so it is recorded
		if !begun {
			it.memory = true
			s.leave(it)
			if !perhaps {
				delete(s.record.byID, it.id)
			}
		}
		gone := begun || it.canceled
		s.mu.Unlock()
		switch {
		case gone:
		case it.m.delay > 0:
			s.hold(it.m)
		default:
			s.submit(it.m)
		}
	}
}

func (s *Service) cancelAll(to Recorder, items []*item) {
	if to == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, it := range items {
		if err := to.Cancel(ctx, it.id); err != nil {
			s.log.Error("a task could not be canceled in the database: it is when it would begin here", "uuid", string(it.m.fields["uuid"]), "err", err)
		}
	}
}

// join opens what tasks are recorded in, as often as it takes, and has them carried out
// until ctx ends.
func (s *Service) join(ctx context.Context) {
	said, first := "", sync.OnceFunc(func() { close(s.record.tried) })
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 15*time.Second) {
		to, err := s.record.open(ctx, s)
		if err == nil {
			said, wait = "", time.Second
			err = s.recordIn(ctx, to, first)
		}
		first()
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			s.log.Warn("tasks are held in memory, as there is no database to record them in; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (s *Service) recordIn(ctx context.Context, to Recorder, joined func()) error {
	s.await(ctx, to)
	s.mu.Lock()
	s.record.to, s.record.away = to, false
	s.mu.Unlock()
	s.log.Info("tasks are recorded")
	joined()
	err := to.Run(ctx)
	s.mu.Lock()
	s.record.to = nil
	s.mu.Unlock()
	return err
}

// await lists what a service before this one has left, and this one goes on with.
func (s *Service) await(ctx context.Context, to Recorder) {
	if s.cfg.Generated { // nobody was before it
		return
	}
	waiting, err := to.Waiting(ctx)
	if err != nil {
		s.log.Warn("what waits from before is not listed until it begins", "err", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range waiting {
		m, err := parse(w.Message)
		if err != nil || m.read() != nil || s.record.byID[w.ID] != nil {
			continue
		}
		m.delay = w.Delay
		it := &item{m: m, id: w.ID, channel: w.Channel}
		s.record.byID[w.ID] = it
		s.place(it)
	}
}
