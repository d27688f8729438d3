// Package acks carries attempts on whose app has taken the task and tells later how it ends: a
// push that was answered 202 with "Sendoff-Ack: manual". Such an attempt is in no node's hands,
// and has a time of its own, after which it has failed. Whoever ends it first takes it back into
// a claim, and settles it as if it had ended here: what gates, callers and followers are due is
// done as for any end, and of several who want to end it one does.
package acks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/internal/settle"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Store is what an Acks needs of one.
type Store interface {
	store.Acks
	Report(ctx context.Context, h store.Held, p store.Progress) error
	Claim(ctx context.Context, req store.ClaimRequest) (store.ClaimBatch, error)
	Rows(ctx context.Context, ids []task.ID) ([]store.Row, error)
	Now() int64
}

// Settler writes ends.
type Settler interface {
	Settle(ctx context.Context, ends ...settle.End)
	HandBack(ctx context.Context, c *store.Claimed)
}

// Config of Acks. All but Log are required.
type Config struct {
	Store   Store
	Settler Settler
	Node    func() (id task.ID, trusted bool)                     // this one
	Find    func(ctx context.Context, id string) (task.ID, error) // a task, by any id of it
	Least   func() int32                                          // version of the oldest node that is alive
	Log     *slog.Logger                                          // nil = none
}

// Acks is safe for concurrent use.
type Acks struct {
	cfg Config

	mu     sync.Mutex
	claims map[task.ID]bool // in our hands
}

// New returns Acks; Run ends what nobody ends in time.
func New(cfg Config) *Acks {
	need.Fields(cfg, "Store", "Settler", "Node", "Find", "Least")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Acks{cfg: cfg, claims: map[task.ID]bool{}}
}

// Claims lists the claims in our hands.
func (a *Acks) Claims() (ids []task.ID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.claims {
		ids = append(ids, id)
	}
	return ids
}

// oldNodes is when a task comes back that could not go on without a node.
const oldNodes = time.Minute

// Detach writes that an attempt goes on, as its outcome says. It blocks until that is on disk,
// and tries again while the database does not answer, until ctx ends; then the rescue takes the
// task back.
func (a *Acks) Detach(ctx context.Context, end settle.End) {
	if least := a.cfg.Least(); least < store.VersionAcks {
		end.Outcome = task.Outcome{
			Class: task.Throttle, Why: task.PutOff, Code: end.Outcome.Code, RetryAfter: oldNodes,
			Error: fmt.Sprintf("it cannot be acknowledged later: that needs nodes of version %d, and there is one of version %d", store.VersionAcks, least),
		}
		a.cfg.Settler.Settle(ctx, end)
		return
	}
	held := store.Held{ID: end.Task.ID, Token: end.Task.Token}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		_, err := a.cfg.Store.Detach(ctx, held, end.Outcome.Within.Microseconds())
		switch {
		case err == nil:
			return
		case errors.Is(err, store.ErrLeaseLost):
			a.cfg.Settler.HandBack(ctx, end.Task) // which tells gates that it has stopped
			return
		}
		a.cfg.Log.Warn("detaching failed, trying again", "task_id", held.ID, "err", err)
		if !settle.Pause(ctx, wait) {
			return
		}
	}
}

// ErrNotWritten says that an end was not written, for the database does not answer or this node
// stops: it may be told again.
var ErrNotWritten = errors.New("how the attempt ends could not be written: tell it again")

// Complete ends an attempt as done, with a result as JSON; nil = none. store.ErrNotFound,
// store.ErrLeaseLost when it does not go on any more, ErrNotWritten. Told again it is the same.
func (a *Acks) Complete(ctx context.Context, id string, token int64, result []byte) error {
	o := task.Outcome{Class: task.Success, Code: accepted}
	if len(result) > 0 {
		o.Answer = task.Answer{Header: []task.Header{{Name: "Content-Type", Value: "application/json"}}, Body: result}
	}
	return a.end(ctx, id, token, o)
}

// accepted is the status with which the push was answered.
const accepted = 202

// Failure is how an attempt has failed.
type Failure struct {
	Error string        // for people
	Final bool          // it is never tried again
	Delay time.Duration // until the next attempt; 0 = as the retry policy says
}

// Fail ends an attempt as failed. Errors as of Complete.
func (a *Acks) Fail(ctx context.Context, id string, token int64, f Failure) error {
	o := task.Outcome{Class: task.Failure, Code: accepted, Error: f.Error, RetryAfter: f.Delay}
	if f.Final {
		o.Class = task.Reject
	}
	return a.end(ctx, id, token, o)
}

// Extend has an attempt go on for a time from now, and returns until when. Errors as of Complete.
func (a *Acks) Extend(ctx context.Context, id string, token int64, within time.Duration) (time.Time, error) {
	held, err := a.held(ctx, id, token)
	if err != nil {
		return time.Time{}, err
	}
	var until int64
	_, err = a.onceDetached(ctx, held, func() (err error) {
		until, err = a.cfg.Store.Extend(ctx, held, within.Microseconds())
		return err
	})
	return time.UnixMicro(until), err
}

// Report notes how far an attempt is that is under way, whether its end is told by its app or
// not. store.ErrNotFound, store.ErrLeaseLost when it is over.
func (a *Acks) Report(ctx context.Context, id string, token int64, p store.Progress) error {
	held, err := a.held(ctx, id, token)
	if err != nil {
		return err
	}
	return a.cfg.Store.Report(ctx, held, p)
}

func (a *Acks) held(ctx context.Context, id string, token int64) (store.Held, error) {
	found, err := a.cfg.Find(ctx, id)
	return store.Held{ID: found, Token: token}, err
}

func (a *Acks) end(ctx context.Context, id string, token int64, o task.Outcome) error {
	held, err := a.held(ctx, id, token)
	if err != nil {
		return err
	}
	row, err := a.onceDetached(ctx, held, func() error { return a.settle(ctx, held, false, o) })
	if errors.Is(err, store.ErrLeaseLost) && row != nil && row.Token == token && row.State != task.Running && row.LastOutcome == o.Class && row.LastCode == o.Code {
		return nil // told again
	}
	return err
}

// patience is how long an attempt is waited for whose push was answered just now.
const patience = 2 * time.Second

// onceDetached does something with a detached attempt. One that is in the hands of a node is
// waited for: its app may be faster than the node that has just read its answer. row is how
// the task stood when it was found to be none.
func (a *Acks) onceDetached(ctx context.Context, held store.Held, do func() error) (row *store.Row, err error) {
	for until := time.Now().Add(patience); ; {
		if err = do(); !errors.Is(err, store.ErrLeaseLost) {
			return nil, err
		}
		rows, failed := a.cfg.Store.Rows(ctx, []task.ID{held.ID})
		if failed != nil {
			return nil, failed
		}
		if len(rows) == 0 {
			return nil, store.ErrNotFound
		}
		row = &rows[0]
		if row.Token != held.Token || row.State != task.Running || time.Now().After(until) || !settle.Pause(ctx, 40*time.Millisecond) {
			return row, err
		}
	}
}

// lastWrites bounds how long an end is tried to be written.
const lastWrites = 20 * time.Second

// settle takes an attempt back and writes its end.
func (a *Acks) settle(ctx context.Context, held store.Held, overdue bool, o task.Outcome) error {
	node, trusted := a.cfg.Node()
	if !trusted {
		return ErrNotWritten
	}
	claim := newID()
	a.keep(claim, true)
	defer a.keep(claim, false)
	row, err := a.cfg.Store.Attach(ctx, store.Attach{Held: held, Claim: claim, Node: node, Overdue: overdue})
	if errors.Is(err, store.ErrNodeLost) {
		return ErrNotWritten
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
	defer cancel()
	c := row.Attached()
	spec, _ := task.DecodeSpec(row.Spec) // it could be sent, so it can be read
	written := false
	took := time.Duration(max(a.cfg.Store.Now()-row.LastStarted, 0)) * time.Microsecond
	a.cfg.Settler.Settle(ctx, settle.End{Task: &c, Spec: spec, Outcome: o, Took: took, Written: &written})
	// The claim is closed; when it is not, the rescue does it.
	_, _ = a.cfg.Store.Claim(ctx, store.ClaimRequest{ID: newID(), Node: node, Done: []task.ID{claim}})
	switch {
	case written:
		return nil
	case ctx.Err() != nil:
		return ErrNotWritten
	}
	return store.ErrLeaseLost // it was canceled in between
}

func newID() task.ID { return task.ID(uuid.Must(uuid.NewV7())) }

func (a *Acks) keep(claim task.ID, ours bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ours {
		a.claims[claim] = true
	} else {
		delete(a.claims, claim)
	}
}

const (
	every = time.Second // between looks for attempts whose time has passed
	most  = 100         // at a time
)

// Run ends attempts whose time has passed, as failed, until ctx ends.
func (a *Acks) Run(ctx context.Context) error {
	for wait := every; settle.Pause(ctx, wait); {
		n, err := a.endOverdue(ctx)
		if wait = every; n == most {
			wait = time.Millisecond
		}
		if err != nil && ctx.Err() == nil {
			a.cfg.Log.Warn("ending attempts whose time has passed failed, trying again", "err", err)
			wait = every
		}
	}
	return nil
}

func (a *Acks) endOverdue(ctx context.Context) (int, error) {
	held, err := a.cfg.Store.Overdue(ctx, most)
	if err != nil {
		return 0, err
	}
	for _, h := range held {
		err := a.settle(ctx, h, true, task.Outcome{Class: task.Failure, Cause: task.CauseTimeout, Error: Overdue})
		if err != nil && !errors.Is(err, store.ErrLeaseLost) { // another one was faster
			return 0, err
		}
	}
	return len(held), nil
}

// Overdue is the error of an attempt whose end nobody has told in time.
const Overdue = "the push was answered 202 with Sendoff-Ack: manual, and nobody told in time how it ended"
