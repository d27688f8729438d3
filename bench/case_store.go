package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// The store alone: batches of 500 are claimed and settled by three callers,
// without an engine.
func storeCases() []benchCase {
	return floors("store", func(group string) []benchCase {
		return []benchCase{{Group: group, Who: "sendoff", N: 200_000, Short: 30_000, do: claimAndSettle}}
	})
}

const (
	storeBatch   = 500
	storeCallers = 3
)

func claimAndSettle(ctx context.Context, r *run) error {
	s, err := r.floor(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	w, err := newWorkOff(ctx, s)
	if err != nil {
		return err
	}
	if err := r.watchWAL(ctx); err != nil {
		return err
	}
	if err := insertRows(ctx, s, w.lane, r.N, 1000); err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := w.all(ctx, int64(r.N)); err != nil {
		return err
	}
	return r.end(ctx, r.N)
}

// insertRows stores n tasks directly, batch in a call, from two callers.
func insertRows(ctx context.Context, s store.Store, lane int32, n, batch int) error {
	spec := (&task.Spec{Kind: task.HTTP, URL: "http://localhost:8000/hook", ContentType: "application/json"}).Encode()
	return fromMany(n, 2, batch, func(n int) error {
		rows := make([]store.NewTask, n)
		for i := range rows {
			rows[i] = store.NewTask{ID: newID(), Lane: lane, Priority: task.DefaultPriority, Kind: task.HTTP, MaxAttempts: 25, Spec: spec, Payload: payload}
		}
		_, _, err := s.Insert(ctx, rows, true)
		return err
	})
}

// workOff claims and settles as a node would, if it had nothing else to do.
type workOff struct {
	store  store.Store
	lane   int32
	node   task.ID
	cursor atomic.Int64
	done   atomic.Int64
}

func newWorkOff(ctx context.Context, s store.Store) (*workOff, error) {
	w := &workOff{store: s, node: newID()}
	lane, err := s.EnsureLane(ctx, store.DefaultNamespace, "bench", task.AnyPool, 10)
	if err != nil {
		return nil, err
	}
	w.lane = lane.ID
	return w, s.Register(ctx, store.Node{ID: w.node, Name: "bench"}, time.Hour.Microseconds())
}

func (w *workOff) all(ctx context.Context, n int64) error {
	errs := make([]error, storeCallers)
	var wg sync.WaitGroup
	for i := range storeCallers {
		wg.Go(func() {
			var finished []task.ID
			for errs[i] == nil && w.done.Load() < n {
				finished, errs[i] = w.batch(ctx, finished)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// batch claims and settles one batch and returns the claim to close with the
// next one.
func (w *workOff) batch(ctx context.Context, finished []task.ID) ([]task.ID, error) {
	req := store.ClaimRequest{
		ID: newID(), Node: w.node, Limit: storeBatch, Done: finished,
		Slots: []store.ClaimSlot{{Lane: w.lane, Priority: task.DefaultPriority, Cursor: w.cursor.Load(), Limit: storeBatch}},
	}
	got, err := w.store.Claim(ctx, req)
	if err != nil || len(got.Tasks) == 0 {
		return nil, err
	}
	last := got.Tasks[len(got.Tasks)-1].Position
	for c := w.cursor.Load(); c < last && !w.cursor.CompareAndSwap(c, last); c = w.cursor.Load() {
	}
	ends := make([]store.Transition, len(got.Tasks))
	for i, c := range got.Tasks {
		ends[i] = store.Transition{ID: c.ID, Token: c.Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}, Code: 200}
	}
	errs, _, err := w.store.Settle(ctx, ends)
	w.done.Add(int64(len(ends)))
	return []task.ID{req.ID}, errors.Join(append(errs, err)...)
}
