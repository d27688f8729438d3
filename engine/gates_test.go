package engine_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// record is what a handler sees of its own runs.
type record struct {
	mu     sync.Mutex
	now    int
	most   int
	names  []string
	starts []time.Time
}

func (r *record) run(takes time.Duration) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		r.mu.Lock()
		r.now++
		r.most = max(r.most, r.now)
		r.names, r.starts = append(r.names, name), append(r.starts, time.Now())
		r.mu.Unlock()
		defer func() {
			r.mu.Lock()
			r.now--
			r.mu.Unlock()
		}()
		select {
		case <-time.After(takes):
			return nil
		case <-ctx.Done():
			time.Sleep(takes) // it takes its time to stop
			return ctx.Err()
		}
	}
}

// seen is what was seen so far.
func (r *record) seen() (names []string, starts []time.Time, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.names), slices.Clone(r.starts), r.most
}

// gated stores a task for a handler, behind gates.
func (b *bundle) gated(t testing.TB, handler, name string, gates ...store.Gate) task.ID {
	spec := task.Spec{Kind: task.Local, Handler: handler}
	lane, err := b.db.EnsureLane(context.Background(), store.DefaultNamespace, task.DefaultQueue, spec.Pool(), 10)
	require.NoError(t, err)
	payload, err := json.Marshal(name)
	require.NoError(t, err)
	n := store.NewTask{
		ID: accept.NewID(), Lane: lane.ID, Kind: task.Local, Priority: task.DefaultPriority, MaxAttempts: 3, Spec: spec.Encode(), Payload: payload, Gates: gates,
	}
	in, woken, err := b.db.Insert(context.Background(), []store.NewTask{n}, false)
	require.NoError(t, err)
	require.Equal(t, store.Created, in[0].Status)
	engine.Wake(b.Engine, woken)
	return n.ID
}

func TestALimitAndAnOrderHoldInTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		var r record
		engine.Handle(b.Engine, "h", r.run(time.Second))
		b.run(t)
		limit := store.Gate{Kind: store.LimitGate, Namespace: store.DefaultNamespace, Name: "k", Capacity: 2}
		order := store.Gate{Kind: store.OrderGate, Namespace: store.DefaultNamespace, Name: "o", Capacity: 1}
		var ids []task.ID
		var want []string
		for i := range 6 {
			ids = append(ids, b.gated(t, "h", "loose", limit))
			want = append(want, string(rune('a'+i)))
			ids = append(ids, b.gated(t, "h", want[i], order, limit))
		}
		for _, id := range ids {
			require.Equal(t, "succeeded , 1 attempts", b.wait(t, id.String()))
		}
		names, _, most := r.seen()
		require.Equal(t, 2, most)
		var ordered []string
		for _, name := range names {
			if name != "loose" {
				ordered = append(ordered, name)
			}
		}
		require.Equal(t, want, ordered)
		b.stop()
	})
}

func TestTheNextOneStartsWhenACanceledOneHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		var r record
		engine.Handle(b.Engine, "h", r.run(30*time.Second))
		b.run(t)
		limit := store.Gate{Kind: store.LimitGate, Namespace: store.DefaultNamespace, Name: "k", Capacity: 1}
		first, second := b.gated(t, "h", "first", limit), b.gated(t, "h", "second", limit)
		time.Sleep(10 * time.Second)
		names, _, _ := r.seen()
		require.Equal(t, []string{"first"}, names)
		_, err := b.Tasks().Cancel(context.Background(), first.String())
		require.NoError(t, err)
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, second.String()))
		names, starts, most := r.seen()
		require.Equal(t, []string{"first", "second"}, names)
		require.Equal(t, 1, most, "they never ran together")
		require.GreaterOrEqual(t, starts[1].Sub(starts[0]), 30*time.Second)
		b.stop()
	})
}
