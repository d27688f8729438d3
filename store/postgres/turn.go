package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// hotCall is a call of Settle or of Claim that waits for the pipeline.
type hotCall struct {
	transitions []store.Transition
	errs        []error
	woken       []store.Woken

	claim *store.ClaimRequest // nil for Settle
	batch store.ClaimBatch
	got   []placed

	err error // of the whole call
}

func (c *hotCall) weight() int {
	if c.claim != nil {
		return c.claim.Limit
	}
	n := len(c.transitions)
	for i := range c.transitions {
		if e := c.transitions[i].Effects; e != nil {
			n += len(e.Calls)
		}
	}
	return n
}

func (s *Store) doHot(ctx context.Context, call *hotCall) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	var alight <-chan struct{}
	if call.claim != nil {
		alight = call.claim.Rides
	}
	if err := s.settles.Ride(ctx, call, alight); err != nil {
		return closedError(err)
	}
	return call.err
}

// ending is one transition of a batch.
type ending struct {
	*store.Transition
	call  *hotCall
	index int
	order int // in the batch
	done  bool

	follows bool  // others depend on the task, and are told of its end
	run     int32 // of such a task
	gated   bool  // the task gives up places at gates
}

func (e *ending) fail(err error) { e.call.errs[e.index] = err }

// handleHot is the pipeline's handler.
func (s *Store) handleHot(ctx context.Context, calls []*hotCall) {
	var endings []*ending
	var claims []*hotCall
	for _, call := range calls {
		if call.claim != nil {
			claims = append(claims, call)
		}
		for i := range call.transitions {
			endings = append(endings, newEnding(&call.transitions[i], call, i, len(endings)))
		}
	}
	for first := true; first || len(endings) > 0; first = false {
		var repeated []*ending
		if related(endings) {
			endings, repeated = apart(endings)
			slices.SortFunc(endings, byTask)
		} else {
			endings, repeated = distinct(endings)
		}
		again := s.hotBatch(ctx, endings, claims)
		endings, claims = slices.Concat(again, repeated), nil
	}
}

func newEnding(t *store.Transition, call *hotCall, index, order int) *ending {
	if t.Decision.To == task.Suspended && t.Effects == nil {
		with := *t
		with.Effects = &store.Effects{}
		t = &with
	}
	e := &ending{Transition: t, call: call, index: index, order: order}
	e.expect(t.Flags, t.Parent)
	return e
}

// expect says what flags the task of an ending has: by them it is decided how it is written.
func (e *ending) expect(flags int32, parent task.ID) {
	final := e.Decision.To.Final()
	bare := final && e.Effects == nil && flags&(store.FlagParent|store.FlagWaits) != 0
	if bare || e.Flags != flags || e.Parent != parent {
		t := *e.Transition
		t.Flags, t.Parent = flags, parent
		if bare {
			t.Effects = &store.Effects{}
		}
		e.Transition = &t
	}
	e.follows = final && flags&store.FlagDeps != 0
	e.gated = e.Decision.To != task.Ready && flags&store.FlagGate != 0
}

// expected are the flags of which an ending takes care.
func (e *ending) expected() int32 {
	flags := e.Flags
	if e.Parent.IsZero() {
		flags &^= store.FlagParent
	}
	if e.Effects != nil {
		flags |= store.FlagWaits
	}
	return flags
}

func byTask(a, b *ending) int { return bytes.Compare(a.ID[:], b.ID[:]) }

// distinct orders a batch by id, which is the order of locks, and puts aside
// the second transition of a task.
func distinct(all []*ending) (first, repeated []*ending) {
	slices.SortStableFunc(all, byTask)
	first = all[:0:len(all)]
	for i, e := range all {
		if i > 0 && len(first) > 0 && first[len(first)-1].ID == e.ID {
			repeated = append(repeated, e)
			continue
		}
		first = append(first, e)
	}
	return first, repeated
}

// hotBatch settles and claims in one transaction. When a value is to blame for
// a failure, its transition is found by halving. Returned are endings that concern others
// than expected, to be sent once more.
func (s *Store) hotBatch(ctx context.Context, endings []*ending, claims []*hotCall) (others []*ending) {
	again, err := s.hotTry(ctx, endings, claims)
	switch {
	case err == nil:
		return s.explain(ctx, endings, again)
	case isDataError(err) && len(endings) == 1 && len(claims) == 0:
		endings[0].fail(store.ErrBadValue)
	case isDataError(err) && len(endings)+len(claims) > 1:
		half := len(endings) / 2
		if half > 0 || len(claims) > 0 {
			others = s.hotBatch(ctx, endings[:half], nil)
		}
		others = append(others, s.hotBatch(ctx, endings[half:], nil)...)
		for _, call := range claims {
			s.hotBatch(ctx, nil, []*hotCall{call})
		}
	default:
		for _, e := range endings {
			e.call.err = err
		}
		for _, call := range claims {
			call.err = err
		}
	}
	return others
}

// hotTry sends a batch until its outcome is known, and tells whether that took
// more than one commit.
func (s *Store) hotTry(ctx context.Context, endings []*ending, claims []*hotCall) (again bool, err error) {
	if len(endings)+len(claims) == 0 {
		return false, nil
	}
	t := newTurn(endings, claims, s.clock.now())
	err = s.patiently(ctx, func(ctx context.Context, c *session) error {
		if again = c.again; again {
			t.dropClaims()
		}
		err := s.send(ctx, c, t)
		if errors.Is(err, errUnknown) && len(endings) == 0 {
			return &settled{err} // nothing in it may be sent again
		}
		return err
	})
	return again, err
}

// turn is what one transaction settles and claims. It is sent in parts.
type turn struct {
	now    int64
	closed []task.ID // claims whose tasks are all settled
	plain  []*ending // that only end their tasks
	gated  []*ending // likewise, of tasks that leave gates
	full   []*ending // with an attempt, or a next place to wait
	linked []*ending // with effects
	claims []*hotCall

	leading  []*ending // plain ends of tasks that others depend on
	followed []*ending // full ends of tasks that others depend on, or that leave gates
}

func newTurn(endings []*ending, claims []*hotCall, now int64) *turn {
	t := &turn{now: now, claims: claims}
	for _, call := range claims {
		t.closed = append(t.closed, call.claim.Done...)
	}
	for _, e := range endings {
		switch {
		case e.Effects != nil:
			t.linked = append(t.linked, e)
		case e.gated && e.Flags&store.Related == store.FlagGate && isPlain(e.Transition):
			t.gated = append(t.gated, e)
		case e.Flags&store.Related == store.FlagDeps && isPlain(e.Transition):
			t.leading = append(t.leading, e)
		case e.follows || e.gated:
			t.followed = append(t.followed, e)
		case e.Flags&store.Related == 0 && isPlain(e.Transition):
			t.plain = append(t.plain, e)
		default:
			t.full = append(t.full, e)
		}
	}
	return t
}

// dropClaims leaves out claims that may have been made already.
func (t *turn) dropClaims() {
	for _, call := range t.claims {
		call.err = fmt.Errorf("%w; its tasks come back by themselves", errUnknown)
	}
	t.claims = nil
}

// written notes a row of settleFull.
func (e *ending) written(r *wireRow) {
	e.done = true
	e.call.wake(r)
	e.run = r.i4()
}

// ended notes a row of settlePlain.
func (e *ending) ended(r *wireRow) { e.done, e.run = true, r.i4() }

// send makes one try: in one round trip, or in two when there are endings with
// effects.
func (s *Store) send(ctx context.Context, c *session, t *turn) error {
	for _, e := range slices.Concat(t.plain, t.gated, t.full, t.linked, t.leading, t.followed) {
		e.done = false
	}
	if len(t.gated)+len(t.linked)+len(t.leading)+len(t.followed) == 0 {
		first := []*stmt{query(pins)}
		if c.again {
			first = append(first, query(barrier))
		}
		return c.do(ctx, slices.Concat(first, statements(t.first(nil)), statements(s.second(t, nil, nil)))...)
	}
	f, w := newFamily(s.clock, t.now), s.newFollowing(t.now)
	first := statements(t.first(f))
	if e := t.onlyFollowed(); e != nil {
		first = append(first, w.lookAlong(e.ID)...)
	}
	leaving, err := s.leaving(ctx, c, t)
	if err == nil && leaving != nil {
		err = leaving.begin(c, first)
	} else if err == nil {
		err = c.begin(ctx, slices.Concat([]*stmt{query(pins)}, first)...)
	}
	if err != nil {
		return c.giveUp(ctx, err)
	}
	followers, err := endInOrder(ctx, c, f, w, slices.Concat(t.linked, t.leading, t.followed))
	if err == nil {
		err = leaving.leave(f)
	}
	if err != nil {
		return c.giveUp(ctx, err)
	}
	return c.giveUp(ctx, c.commit(ctx, statements(s.second(t, f, followers))...))
}
