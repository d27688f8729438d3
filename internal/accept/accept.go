// Package accept is the first room of a task's journey: submit to persisted.
//
// A door hands in a [Submission]; Prepare checks it, fills the defaults in and
// turns it into a row; Accept stores the rows and wakes whoever can run them.
// The answer goes out after the commit, so an accepted task is on disk.
//
// Prepare writes nothing but a queue's first use, and other rooms get it as a
// function: settle and schedule make tasks inside their own transactions.
package accept

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// ErrBusy says that more submissions wait for their commit than memory is set
// aside for. The client should come back after a second.
var ErrBusy = errors.New("too many submissions are waiting to be written: try again in a second")

// ErrNoAccept says that this node takes no tasks in.
var ErrNoAccept = errors.New("this node does not accept tasks: it runs without the role accept, ask another one")

// Submission is a request to run a task, as a door understood it.
type Submission struct {
	ID        task.ID // that it gets, new; zero = one is made
	Namespace int32   // 0 = that of whoever asks
	Queue     string  // "" = default
	Spec      task.Spec
	Payload   []byte
	Delay     time.Duration
	RunAt     time.Time // zero = at once
	ExpiresAt time.Time // zero = never
	Priority  *int      // nil = 5
	Unique    *Unique
	Callbacks []Callback
	Signal    *Signal // for the function that is started, or for the one that has its id or unique key and goes on

	Call *Caller // the function that makes the call; nil = it comes from outside

	Own            store.Hash // of what the server makes at most once, by itself; zero = it comes from outside
	IdempotencyKey string
	Fingerprint    store.Hash // of the request that carries the key
	Item           int        // its place, from 1, among the tasks of a request that has several; 0 = it is alone
}

// Callback is a submission that is made when the task that carries it has ended. Without
// a Payload it gets that task.
type Callback struct {
	On task.On
	Submission
}

// Caller is the function on whose behalf a task is run.
type Caller struct {
	Parent      task.ID
	Root        task.ID // zero when the caller is the root
	Correlation uint64
	Deliver     bool // it waits for the result
}

// Unique is a business rule: one task for a key at a time.
type Unique struct {
	Key        string
	Window     time.Duration    // holds for so long from acceptance; 0 = no window
	WhileOpen  bool             // holds until the task has ended; the rule when there is no window
	OnConflict store.OnConflict // default Return
}

// Signal is told to a function as soon as it is there.
type Signal struct {
	Name  string
	Value []byte // a serialized Any; nil = none
}

// Result is what became of a submission.
type Result struct {
	Status    store.InsertStatus
	ID        task.ID
	Key       store.KeyKind // that decided, when not Created
	CreatedAt int64
	Task      *store.NewTask // as prepared; nil when Err is set
	Err       error          // task.Invalid: refused before it came to the store
}

// Lanes finds the lane of a queue and a pool for a task of a group, or makes it.
type Lanes func(ctx context.Context, namespace int32, queue, pool, group string) (store.Lane, error)

// Bell tells those who have to know that there is something to do.
type Bell interface {
	Wake(woken []store.Woken) // tasks became ready

	// Expect tells that a task is about to become ready on a line, and over that the insert is done.
	Expect(lane int32, priority int16) (over func())
	Due(at int64) // a task will be due, microseconds
}

// Meter counts.
type Meter interface{ Accepted(n int) }

// Config of an Acceptor. Store, Lane and Bell are required.
type Config struct {
	Store interface {
		store.Inserter
		Rows(ctx context.Context, ids []task.ID) ([]store.Row, error)
		Now() int64
	}
	Lane     Lanes
	Settings func(namespace int32, queue string) task.QueueSettings // of a queue; nil = none has any

	// Allow takes n submissions of a namespace in, with so many bytes of payloads; 0 = the
	// default one. nil = any number.
	Allow func(namespace int32, n int, bytes int64) error

	// Seen leaves out what whoever asks may not see; nil = everybody sees everything.
	Seen func(ctx context.Context, rows []store.Row) ([]store.Row, error)

	Find     func(ctx context.Context, id string) (task.ID, error) // a task by any of its ids, or store.ErrNotFound; nil = by none but ours
	Bell     Bell
	Created  func(t *store.NewTask, at int64, began time.Time) // a task was stored, that came in then; nil = nobody is told
	Meter    Meter                                             // nil = nobody counts
	Least    func() int32                                      // version of the nodes that are alive; nil = all are as new as this one
	Process  func(workers, target string) error                // refuses what processes may not run; nil = nothing is
	CheckURL func(*url.URL) error                              // refuses targets that may not be called; nil = none is
	Embedded func(name string) bool                            // tells whether embedded://NAME is served in this process; nil = nothing is
	Closed   bool                                              // nothing is taken in: ErrNoAccept
	MaxBytes int64                                             // of submissions that wait for their commit; default 64 MiB
}

// Acceptor is safe for concurrent use.
type Acceptor struct {
	cfg     Config
	waiting atomic.Int64 // bytes
}

// New returns an Acceptor.
func New(cfg Config) *Acceptor {
	need.Fields(cfg, "Store", "Lane", "Bell")
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 64 << 20
	}
	return &Acceptor{cfg: cfg}
}

// Accept checks and stores submissions and returns one result each, in order,
// after the commit. When atomic is set, either all are accepted or none, and a
// faulty one fails the whole call with task.Invalid, as more than task.MaxBatch do.
// Errors: ErrNoAccept, ErrBusy, store.OverQuota, task.Invalid, store.ErrTooManyQueues,
// store.ErrOldNode, or of the database.
func (a *Acceptor) Accept(ctx context.Context, subs []Submission, atomic bool) ([]Result, error) {
	if err := a.open(len(subs)); err != nil {
		return nil, err
	}
	if a.cfg.Allow != nil && auth.From(ctx) != nil { // the program itself has no quota
		if err := a.cfg.Allow(auth.Namespace(ctx), len(subs), payloadBytes(subs)); err != nil {
			return nil, err
		}
	}
	return a.accept(ctx, subs, atomic)
}

func payloadBytes(subs []Submission) (n int64) {
	for i := range subs {
		n += int64(len(subs[i].Payload))
	}
	return n
}

// AcceptOwn is Accept for tasks that the server itself has to make: a node that takes
// none in from outside makes them as well.
func (a *Acceptor) AcceptOwn(ctx context.Context, subs []Submission) ([]Result, error) {
	return a.accept(ctx, subs, false)
}

func (a *Acceptor) accept(ctx context.Context, subs []Submission, atomic bool) ([]Result, error) {
	began := time.Now()
	results, tasks, of, err := a.prepareAll(ctx, a.cfg.Lane, subs, atomic)
	if err != nil || len(tasks) == 0 {
		return results, err
	}
	deps, err := a.depend(ctx, subs, tasks, of)
	if err != nil {
		return nil, err
	}
	size := sizeOf(tasks)
	if a.waiting.Add(size) > a.cfg.MaxBytes {
		a.waiting.Add(-size)
		return nil, ErrBusy
	}
	defer a.waiting.Add(-size)
	inserted, woken, err := a.insert(ctx, tasks, atomic)
	if err != nil {
		return nil, err
	}
	a.announce(tasks, inserted, began)
	if len(woken) > 0 {
		a.cfg.Bell.Wake(woken)
	}
	return fill(results, subs, inserted, of, deps, atomic)
}

// fewTasks is how many tasks a call has at most that are claimed along with their insert
// by who has nothing else to do.
const fewTasks = 16

func (a *Acceptor) insert(ctx context.Context, tasks []store.NewTask, atomic bool) ([]store.Inserted, []store.Woken, error) {
	if t := &tasks[0]; len(tasks) <= fewTasks && t.Delay == 0 && t.RunAt == 0 && len(t.Deps) == 0 {
		defer a.cfg.Bell.Expect(t.Lane, t.Priority)()
	}
	return a.cfg.Store.Insert(ctx, tasks, atomic)
}

// AcceptIn is Accept in a transaction of the program that embeds the engine: the tasks
// are there when it commits. Lanes come from lane, and wake is called after the commit
// where the transaction can tell of it.
func (a *Acceptor) AcceptIn(ctx context.Context, tx store.Tx, lane Lanes, wake func([]store.Woken), subs []Submission, atomic bool) ([]Result, error) {
	if err := a.open(len(subs)); err != nil {
		return nil, err
	}
	began := time.Now()
	results, tasks, of, err := a.prepareAll(ctx, lane, subs, atomic)
	if err != nil || len(tasks) == 0 {
		return results, err
	}
	deps, err := a.depend(ctx, subs, tasks, of)
	if err != nil {
		return nil, err
	}
	inserted, woken, err := tx.Insert(ctx, tasks, atomic)
	if err == nil && len(woken) > 0 {
		err = tx.Tell(ctx, woken, wake)
	}
	if err != nil {
		return nil, err
	}
	a.announce(tasks, inserted, began)
	return fill(results, subs, inserted, of, deps, atomic)
}

// open tells whether n submissions can be taken in.
func (a *Acceptor) open(n int) error {
	if a.cfg.Closed {
		return ErrNoAccept
	}
	if n > task.MaxBatch {
		var bad task.Invalid
		bad.Add("tasks", "has %d entries: at most %d are allowed", n, task.MaxBatch)
		return bad
	}
	return nil
}

// fill says of each submission that came to the store what became of it; of is where
// each of those stands among all. An atomic call in which one depends on what is not
// there fails as a whole.
func fill(results []Result, subs []Submission, inserted []store.Inserted, of []int, deps *dependencies, atomic bool) ([]Result, error) {
	var faults task.Invalid
	for n, i := range of {
		in := inserted[n]
		if in.Status == store.Missing {
			bad := deps.missing(&subs[i], in.ID)
			faults.Join(Place(i, len(subs)), bad)
			results[i] = Result{Err: bad}
			continue
		}
		results[i].Status, results[i].ID, results[i].Key, results[i].CreatedAt = in.Status, in.ID, in.Key, in.CreatedAt
	}
	if atomic && len(faults) > 0 {
		return nil, faults
	}
	return results, nil
}

// prepareAll checks submissions. Of each that may be stored it returns the row, and
// where it stands among all.
func (a *Acceptor) prepareAll(ctx context.Context, lane Lanes, subs []Submission, atomic bool) ([]Result, []store.NewTask, []int, error) {
	results := make([]Result, len(subs))
	tasks, of := make([]store.NewTask, 0, len(subs)), make([]int, 0, len(subs))
	taken, err := a.takenIDs(ctx, subs)
	if err != nil {
		return nil, nil, nil, err
	}
	var faults task.Invalid
	namespace := auth.Namespace(ctx)
	for i := range subs {
		subs[i].Namespace = cmp.Or(subs[i].Namespace, namespace)
		n := len(tasks)
		tasks = tasks[:n+1]
		err := a.prepare(ctx, lane, &subs[i], taken, &tasks[n])
		if err != nil {
			tasks = tasks[:n]
		}
		invalid, isInvalid := errors.AsType[task.Invalid](err)
		switch {
		case err == nil:
			results[i].Task, of = &tasks[n], append(of, i)
		case !isInvalid:
			return nil, nil, nil, err
		case atomic:
			faults.Join(Place(i, len(subs)), invalid)
		default:
			results[i].Err = invalid
		}
	}
	return results, tasks, of, faults.Err()
}

func (a *Acceptor) announce(tasks []store.NewTask, inserted []store.Inserted, began time.Time) {
	created := 0
	now := a.cfg.Store.Now()
	for i, in := range inserted {
		if in.Status != store.Created {
			continue
		}
		created++
		if a.cfg.Created != nil {
			a.cfg.Created(&tasks[i], in.CreatedAt, began)
		}
		if due := tasks[i].Due(now); due > now {
			a.cfg.Bell.Due(due)
		} else if len(tasks[i].Gates) > 0 {
			a.cfg.Bell.Due(now) // a rate may have given it a time, which is found there
		}
	}
	if a.cfg.Meter != nil && created > 0 {
		a.cfg.Meter.Accepted(created)
	}
}

// NewID makes the id of a task.
func NewID() task.ID { return task.ID(uuid.Must(uuid.NewV7())) }

func init() { uuid.EnableRandPool() }

func sizeOf(tasks []store.NewTask) int64 {
	var n int64
	for i := range tasks {
		n += int64(len(tasks[i].Payload) + len(tasks[i].Spec) + 256)
	}
	return n
}
