package dispatcherd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/process"
)

// Broker brings messages from outside, and takes answers there. Run blocks until ctx ends,
// and gets over everything else by itself: a message that is wrong is no reason to end.
type Broker interface {
	Name() string // as configurations have it: pg_notify, socket
	Run(ctx context.Context, receive func(Incoming)) error
	Health() Health
}

// Incoming is a message as a broker brings it.
type Incoming struct {
	Channel  string // that it came over
	Queue    string // that its tasks are recorded in; "" = one by the name of the channel
	Others   bool   // its channel is shared, and another service takes its tasks
	HandedIn bool   // no message: there is something to take, see Recorder.Take
	Payload  []byte
	Reply    func(to string, text []byte) // sends an answer, in order; does not wait
}

// Health is how a broker does.
type Health struct {
	Recycled  int // how often it had to connect anew
	SelfCheck *SelfCheck
}

// SelfCheck is how messages do that a broker sends to itself; nil = it sends none.
type SelfCheck struct {
	Enabled  bool
	Count    int
	Mean     float64 // seconds
	Longest  float64
	Measured bool
}

// Service receives messages and carries them out. Its methods may be called by several
// goroutines.
type Service struct {
	cfg     *Config
	pool    *process.Pool
	brokers []*producer
	log     *slog.Logger
	level   *slog.LevelVar
	began   time.Time
	web     *web            // nil = no metrics are served
	ctx     context.Context //nolint:containedctx // of the tasks, until the service stops
	cancel  context.CancelCauseFunc
	items   sync.WaitGroup
	record  *records // nil = everything is in memory

	mu                     sync.Mutex
	chunks                 chunks
	delayed, blocked, line []*item
	running                []*item
	again                  []*item // recorded, and wait for another attempt
	received, controls     int
	finished, canceled     int
	discarded, wrong       int
	made, scheduled        int
	demand                 demand
	stopped                bool
}

// producer is where messages come from, as the command producers shows it.
type producer struct {
	name   string
	broker Broker // nil = a producer of the service itself
	count  int
}

// item is a task on its way.
type item struct {
	m        *message
	worker   int
	cancel   context.CancelCauseFunc
	ctx      context.Context //nolint:containedctx // of this task
	canceled bool
	timer    *time.Timer // of what is delayed

	id      string   // of its record; "" = it is in memory only
	channel string   // that it came over
	after   []string // ids of what it waits for
	memory  bool     // although it has an id: its record could not be written, or it is not known whether it was
}

// New returns a service that has not begun: see Run.
// open is nil when tasks are to be held in memory.
func New(cfg *Config, brokers []Broker, open Open, log *slog.Logger, level *slog.LevelVar) (*Service, error) {
	s := &Service{cfg: cfg, log: log, level: level, began: time.Now()}
	if open != nil {
		s.record = &records{open: open, byID: map[string]*item{}, signal: make(chan struct{}, 1), handed: make(chan struct{}, 1), tried: make(chan struct{})}
	}
	s.chunks = chunks{expiry: cfg.ChunkExpiry, partial: map[string]*partial{}}
	s.demand = demand{last: map[int]time.Time{}}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	for _, b := range brokers {
		s.brokers = append(s.brokers, &producer{name: b.Name() + "-producer", broker: b})
	}
	for _, name := range cfg.producers() {
		s.brokers = append(s.brokers, &producer{name: name})
	}
	pool := cfg.Pool
	pool.Control = func(ctx context.Context, command string, data json.RawMessage) ([]byte, error) {
		s.mu.Lock()
		s.controls++ // as dispatcherd does
		s.mu.Unlock()
		return s.ask(command, data).bytes(), nil
	}
	pool.Message = s.begin
	pool.Log = log
	var err error
	s.pool, err = process.New(pool)
	return s, err
}

// Pool is the pool that carries the tasks out. The service runs it.
func (s *Service) Pool() *process.Pool { return s.pool }

// Run serves until ctx ends. Then what runs is canceled. What waits and is recorded goes on
// waiting; what is in memory only is dropped, and named in the log.
func (s *Service) Run(ctx context.Context) error {
	if s.cfg.Metrics != nil {
		var err error
		if s.web, err = s.serveMetrics(*s.cfg.Metrics); err != nil {
			return err
		}
		defer s.web.close()
	}
	pooled, endPool := context.WithCancel(context.WithoutCancel(ctx))
	defer endPool()
	pool := make(chan error, 1)
	go func() { pool <- s.pool.Run(pooled) }()
	stopRecords := s.startRecords(pooled)
	s.firstTry(ctx)
	in, stopBrokers := context.WithCancel(ctx)
	defer stopBrokers()
	brokers, in := errgroup.WithContext(in) // one that cannot begin ends the others
	for _, p := range s.brokers {
		if p.broker != nil {
			brokers.Go(func() error { return p.broker.Run(in, func(m Incoming) { s.receive(p, m) }) })
		}
	}
	s.produce(in, brokers)
	<-in.Done()
	s.drop()
	stopBrokers()
	err := brokers.Wait()
	stopRecords()
	s.items.Wait()
	endPool()
	return errors.Join(err, <-pool)
}

// startRecords has tasks recorded, until the function is called that it returns: then the
// last are written, and those that run are stopped.
func (s *Service) startRecords(ctx context.Context) (stop func()) {
	if s.record == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	writing, stopWriting := context.WithCancel(ctx)
	var written, joined sync.WaitGroup
	written.Go(func() { s.write(writing) })
	joined.Go(func() { s.join(ctx) })
	return func() {
		stopWriting()
		written.Wait()
		s.flush()
		cancel()
		joined.Wait()
	}
}

// firstTry waits, before anything is received, until there is a database to record in, or
// for as long as a service can be without one.
func (s *Service) firstTry(ctx context.Context) {
	if s.record == nil {
		return
	}
	select {
	case <-s.record.tried:
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
	}
}

// drop ends everything that runs or waits.
func (s *Service) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	var lost []string
	for _, list := range [][]*item{s.delayed, s.blocked, s.line} {
		for _, it := range list {
			if it.id == "" {
				lost = append(lost, string(it.m.fields["uuid"]))
			}
			if it.timer != nil {
				it.timer.Stop()
			}
		}
	}
	s.delayed, s.blocked = nil, nil
	if len(lost) > 0 {
		s.log.Warn("tasks that had not begun are lost", "tasks", len(lost), "uuids", strings.Join(lost[:min(len(lost), 100)], " "))
	}
	s.cancel(exec.ErrStopping)
}

// receive takes a message from a broker.
func (s *Service) receive(p *producer, in Incoming) {
	if in.HandedIn {
		if s.record != nil {
			poke(s.record.handed)
		}
		return
	}
	m, err := parse(in.Payload)
	s.mu.Lock()
	if err == nil && m.fields[chunkMark] != nil {
		var whole []byte
		whole, err = s.chunks.take(m, time.Now())
		if err == nil && whole == nil {
			s.mu.Unlock()
			return
		}
		if err == nil {
			m, err = parse(whole)
		}
	}
	if err != nil {
		s.wrong++
		s.mu.Unlock()
		s.log.Error("a message is dropped", "channel", in.Channel, "err", err)
		return
	}
	if in.Others && m.fields["control"] == nil {
		s.mu.Unlock()
		return
	}
	p.count++
	m.complete(s.received, in.Channel)
	s.received++
	s.mu.Unlock()
	s.take(m, cmp.Or(in.Queue, in.Channel), in.Reply)
}

// take carries a whole message out, now or when its delay is over. channel is what it came
// over; "" = the service has made it itself, and will again: it is not recorded.
func (s *Service) take(m *message, channel string, reply func(to string, text []byte)) {
	if err := m.read(); err != nil {
		s.mu.Lock()
		s.wrong++
		s.mu.Unlock()
		s.log.Error("a message is dropped", "uuid", string(m.fields["uuid"]), "err", "it "+err.Error())
		if m.replyTo != "" && reply != nil {
			reply(m.replyTo, s.signed(object{{"error", "The message " + err.Error()}}).bytes())
		}
		return
	}
	if channel != "" && m.fields["control"] == nil && s.keep(m, channel) {
		return
	}
	if m.delay > 0 {
		s.hold(m)
		return
	}
	s.do(m, reply)
}

// do carries a message out that is due.
func (s *Service) do(m *message, reply func(to string, text []byte)) {
	if m.fields["control"] == nil {
		s.submit(m)
		return
	}
	s.mu.Lock()
	s.controls++
	s.mu.Unlock()
	answer := s.signed(s.ask(m.control, m.data))
	switch {
	case m.replyTo == "":
	case reply == nil:
		s.log.Warn("an answer is lost, for its question was delayed", "control", m.control)
	default:
		reply(m.replyTo, answer.bytes())
	}
}

func (s *Service) signed(o object) object { return append(o, member{"node_id", s.cfg.NodeID}) }

// hold keeps a message until its delay is over.
func (s *Service) hold(m *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	it := &item{m: m}
	s.delayed = append(s.delayed, it)
	it.timer = time.AfterFunc(m.delay, func() {
		s.mu.Lock()
		there := s.take1(&s.delayed, it)
		s.mu.Unlock()
		if there {
			s.do(m, nil)
		}
	})
}

// take1 takes an item off a list, and tells whether it was there.
func (s *Service) take1(list *[]*item, it *item) bool {
	i := slices.Index(*list, it)
	if i < 0 {
		return false
	}
	all := *list
	if i < len(all)/2 { // most leave near the front, and many may be behind them
		copy(all[1:i+1], all[:i])
		all[0] = nil
		*list = all[1:]
		return true
	}
	*list = slices.Delete(all, i, i+1)
	return true
}

// submit has a task run, unless it is a duplicate that has to wait or is not wanted.
func (s *Service) submit(m *message) {
	if !s.allows(m) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	it := &item{m: m}
	there, waits := s.isThere(m), slices.ContainsFunc(s.blocked, m.isSame)
	switch m.onDup {
	case "serial":
		if there {
			s.blocked = append(s.blocked, it)
			return
		}
	case "discard":
		if there || waits {
			s.discarded++
			return
		}
	case "queue_one":
		if there && waits {
			s.discarded++
			return
		}
		if there {
			s.blocked = append(s.blocked, it)
			return
		}
	case "", "parallel":
	default:
		s.log.Warn("a task says what nobody knows of duplicates and runs", "on_duplicate", m.onDup, "task", m.task)
	}
	s.start(it)
}

func (s *Service) allows(m *message) bool {
	if s.pool.Allows(m.task) {
		return true
	}
	s.log.Error("a task is dropped: it is not among what processes may run here", "task", m.task, "uuid", string(m.fields["uuid"]))
	return false
}

// isThere tells whether the same task is in line, runs, or will again.
func (s *Service) isThere(m *message) bool {
	return slices.ContainsFunc(s.running, m.isSame) || slices.ContainsFunc(s.line, m.isSame) || slices.ContainsFunc(s.again, m.isSame)
}

// isSame tells whether a task is a duplicate.
func (m *message) isSame(it *item) bool { return it.m.same == m.same }

// start gives a task to a worker, or puts it in line for one. The lock is held.
func (s *Service) start(it *item) {
	it.ctx, it.cancel = context.WithCancelCause(s.ctx)
	s.made++
	entry := s.pool.Enter(&process.Call{
		ID: fmt.Sprint(s.made), Name: it.m.task, Target: it.m.task, Attempt: 1, MaxAttempts: 1, Timeout: it.m.timeout, Message: it.m.raw,
		Started: func(worker int) { s.has(it, worker) },
	})
	if n, ok := entry.Worker(); ok {
		it.worker = n
		s.running = append(s.running, it)
	} else {
		s.line = append(s.line, it)
	}
	s.demand.note(len(s.line) + len(s.running))
	s.items.Go(func() { s.run(it, entry) })
}

// has notes that a worker has a task.
func (s *Service) has(it *item, worker int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it.worker = worker
	if s.take1(&s.line, it) {
		s.running = append(s.running, it)
	}
}

// run waits for the end of a task.
func (s *Service) run(it *item, entry *process.Entry) {
	r := entry.Run(it.ctx)
	s.ended(it, &r, false)
	it.cancel(nil)
}

// ended notes the end of an attempt, after which the task may be tried again.
func (s *Service) ended(it *item, r *process.Result, again bool) {
	how, crashed := r.Crashed()
	s.mu.Lock()
	if again {
		it.cancel = nil
		s.again = append(s.again, it)
	}
	s.take1(&s.line, it)
	s.take1(&s.running, it)
	switch {
	case r.Unstarted():
	case r.Stopped(), crashed:
		s.canceled++
	default:
		s.finished++
	}
	if !s.stopped {
		s.unblock()
	}
	s.mu.Unlock()
	switch fault := r.Failed(); {
	case crashed:
		s.log.Error("the process of a task has ended", "task", it.m.task, "uuid", string(it.m.fields["uuid"]), "how", how)
	case fault != "":
		s.log.Info("a task has failed", "task", it.m.task, "uuid", string(it.m.fields["uuid"]), "err", fault)
	}
}

// unblock starts what was held back for tasks that have ended.
func (s *Service) unblock() {
	for i := 0; i < len(s.blocked); {
		it := s.blocked[i]
		if s.isThere(it.m) {
			i++
			continue
		}
		s.blocked = slices.Delete(s.blocked, i, i+1)
		if it.id != "" { // the database lets it go on
			s.line = append(s.line, it)
			continue
		}
		s.start(it)
	}
}

// demand remembers when so many workers were needed last.
type demand struct {
	last map[int]time.Time
}

func (d *demand) note(n int) {
	now := time.Now()
	for ; n > 0 && now.Sub(d.last[n]) > time.Second; n-- {
		d.last[n] = now
	}
}
