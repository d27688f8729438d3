package operate

import (
	"context"
	"encoding/binary"
	"errors"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/catalog"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// rig is the nouns over the oracle and a real catalog, and what they told. It is for
// bubbles: the database's clock is the bubble's.
type rig struct {
	*storetest.Shared
	tasks     *Tasks
	functions *Functions
	queues    *Queues
	node      task.ID
	n         byte

	mu      sync.Mutex
	woken   int // lanes
	changed int
	stopped []task.ID
	left    []task.ID
}

func newRig(t *testing.T) *rig {
	time.Sleep(time.Until(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC))) // a bubble begins in 2000, from which no task has a number
	r := &rig{Shared: storetest.NewShared(func() int64 { return time.Now().UnixMicro() }), node: task.ID{0xff}}
	names := catalog.New(r.Shared)
	require.NoError(t, names.Refresh(t.Context()))
	note := func(do func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		do()
	}
	wake := func(w []store.Woken) { note(func() { r.woken += len(w) }) }
	r.tasks = NewTasks(TasksConfig{
		Store: r.Shared, Lanes: names, Wake: wake, ClientKey: func(id string) store.Hash { return store.HashOf([]byte(id)) },
		Stopped: func(id task.ID) { note(func() { r.stopped = append(r.stopped, id) }) },
		Left:    func(id task.ID) { note(func() { r.left = append(r.left, id) }) },
		Due:     func(int64) {},
		Alone:   func() bool { return true },
		Revise: func(_ context.Context, row *store.Row, _ store.Lane, _ *task.Revision) (*store.Change, error) {
			return &store.Change{ID: row.ID, Was: row.Spec, Spec: row.Spec, MaxAttempts: row.MaxAttempts}, nil
		},
	})
	r.functions = NewFunctions(r.Shared, r.tasks)
	r.queues = NewQueues(QueuesConfig{Store: r.Shared, Catalog: names, Wake: wake, Changed: func() { note(func() { r.changed++ }) },
		Retention: task.Retention{Succeeded: time.Hour, Failed: 2 * time.Hour, Canceled: 3 * time.Hour},
		CheckURL: func(u *url.URL) error {
			if u.Hostname() == "private" {
				return errors.New("refused to connect to private")
			}
			return nil
		}})
	require.NoError(t, r.Register(t.Context(), store.Node{ID: r.node}, 1e15))
	return r
}

// insert stores a task in a queue; spec and change say how it differs from others.
func (r *rig) insert(t *testing.T, queue string, spec task.Spec, change ...func(*store.NewTask)) string {
	pool := task.AnyPool
	if spec.Kind == 0 {
		spec.Kind = task.HTTP
	}
	if spec.Kind == task.Function {
		pool = task.FunctionPool
	}
	lane, err := r.EnsureLane(t.Context(), store.DefaultNamespace, queue, pool, 100)
	require.NoError(t, err)
	require.NoError(t, r.queues.cfg.Catalog.Refresh(t.Context()))
	r.n++
	id := task.FloorID(time.Now())
	binary.BigEndian.PutUint16(id[14:], uint16(r.n))
	n := store.NewTask{ID: id, Lane: lane.ID, Priority: 5, Kind: spec.Kind, MaxAttempts: 3, Spec: spec.Encode(), Payload: []byte("payload")}
	if spec.ClientID != "" {
		n.Keys = []store.Key{{Kind: store.ClientIDKey, Namespace: store.DefaultNamespace, Hash: store.HashOf([]byte(spec.ClientID))}}
	}
	for _, c := range change {
		c(&n)
	}
	in, _, err := r.Insert(t.Context(), []store.NewTask{n}, true)
	require.NoError(t, err)
	require.Equal(t, store.Created, in[0].Status)
	return id.String()
}

// claim has a node begin the attempt of a task.
func (r *rig) claim(t *testing.T, id string) store.Claimed {
	rows, err := r.Rows(t.Context(), []task.ID{parsed(t, id)})
	require.NoError(t, err)
	r.n++
	b, err := r.Claim(t.Context(), store.ClaimRequest{ID: task.ID{0xc, r.n}, Node: r.node, Limit: 100, Slots: []store.ClaimSlot{{Lane: rows[0].Lane, Priority: 5, Limit: 100}}})
	require.NoError(t, err)
	i := slices.IndexFunc(b.Tasks, func(c store.Claimed) bool { return c.ID == rows[0].ID })
	require.GreaterOrEqual(t, i, 0, "the task was not claimed")
	return b.Tasks[i]
}

// settle writes the end of an attempt.
func (r *rig) settle(t *testing.T, c *store.Claimed, o task.Class, to task.State, answer string) {
	tr := store.Transition{ID: c.ID, Token: c.Token, Outcome: o, Code: 200, Decision: task.Decision{To: to}, Answer: task.Answer{Body: []byte(answer)}}
	if o == task.Failure {
		tr.Decision.Failures = c.Failures + 1
	}
	errs, _, err := r.Settle(t.Context(), []store.Transition{tr})
	require.NoError(t, err)
	require.NoError(t, errs[0])
}

func parsed(t *testing.T, id string) task.ID {
	p, err := task.ParseID(id)
	require.NoError(t, err)
	return p
}

// below makes a function's row that of a call of another.
func below(t *testing.T, parent string, deliver bool) func(*store.NewTask) {
	return func(n *store.NewTask) {
		n.Parent, n.Deliver = parsed(t, parent), deliver
		if n.Root.IsZero() {
			n.Root = n.Parent
		}
	}
}
