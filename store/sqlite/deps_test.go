package sqlite_test

import (
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// TestManyDependencies: a fan-out, a fan-in and a chain take time by their edges, in pages,
// and no stack grows with them. With SENDOFF_HEAVY=1 there are three times as many.
func TestManyDependencies(t *testing.T) {
	n := 10_000
	switch {
	case os.Getenv("SENDOFF_HEAVY") == "1":
		n = 30_000
		defer debug.SetMaxStack(debug.SetMaxStack(4 << 20))
	case testing.Short() || underRace:
		n = 3000
	}
	s := fresh(t)(nil)
	lane, err := s.EnsureLane(t.Context(), store.DefaultNamespace, "default", task.AnyPool, 10)
	require.NoError(t, err)
	node := accept.NewID()
	require.NoError(t, s.Register(t.Context(), store.Node{ID: node}, time.Hour.Microseconds()))
	after := func(ups ...task.ID) store.NewTask {
		return store.NewTask{ID: accept.NewID(), Lane: lane.ID, Kind: task.HTTP, Priority: 5, MaxAttempts: 3, Spec: []byte("spec"), Deps: ups}
	}
	insert := func(tasks []store.NewTask) {
		for len(tasks) > 0 {
			page := tasks[:min(len(tasks), 1000)]
			in, _, err := s.Insert(t.Context(), page, true)
			require.NoError(t, err)
			require.Equal(t, store.Created, in[0].Status)
			tasks = tasks[len(page):]
		}
	}
	claim := func(limit int) []store.Claimed {
		batch, err := s.Claim(t.Context(), store.ClaimRequest{
			ID: accept.NewID(), Node: node, Limit: limit, Slots: []store.ClaimSlot{{Lane: lane.ID, Priority: 5, Limit: limit}},
		})
		require.NoError(t, err)
		return batch.Tasks
	}
	succeed := func(cs []store.Claimed) {
		ts := make([]store.Transition, len(cs))
		for i := range cs {
			ts[i] = store.Transition{ID: cs[i].ID, Token: cs[i].Token, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}}
		}
		errs, _, err := s.Settle(t.Context(), ts)
		require.NoError(t, err)
		for _, err := range errs {
			require.NoError(t, err)
		}
	}
	followUp := func() (pages int) {
		for {
			todos, err := s.TakeTodos(t.Context(), 100, 0)
			require.NoError(t, err)
			if len(todos) == 0 {
				return pages
			}
			for _, todo := range todos {
				_, _, err := s.Follow(t.Context(), todo)
				require.NoError(t, err)
				pages++
			}
		}
	}
	start := time.Now()
	lap := func(what string) {
		took := time.Since(start)
		t.Logf("%s: %v, %.0f/s", what, took.Round(time.Millisecond), float64(n)/took.Seconds())
		start = time.Now()
	}

	root := after()
	insert([]store.NewTask{root})
	fan := make([]store.NewTask, n)
	for i := range fan {
		fan[i] = after(root.ID)
	}
	insert(fan)
	lap("fan-out stored")
	succeed(claim(1))
	require.Len(t, claim(n), store.FollowPage, "a page is told in the transaction of the end")
	require.LessOrEqual(t, followUp(), n/store.FollowPage, "pages")
	lap("fan-out released")

	var ups []task.ID
	for i := range fan {
		ups = append(ups, fan[i].ID)
	}
	last := after(ups...)
	insert([]store.NewTask{last})
	lap("fan-in stored")
	rows, err := s.Rows(t.Context(), ups)
	require.NoError(t, err)
	var held []store.Claimed
	for _, row := range append(claim(n), claimedOf(rows)...) {
		held = append(held, row)
	}
	require.Len(t, held, n)
	start = time.Now()
	succeed(held)
	lap("fan-in counted")
	require.Equal(t, last.ID, claim(1)[0].ID)

	chain := []store.NewTask{after(last.ID)}
	for len(chain) < n {
		chain = append(chain, after(chain[len(chain)-1].ID))
	}
	insert(chain)
	lap("chain stored")
	_, err = s.Cancel(t.Context(), last.ID, store.Alone)
	require.NoError(t, err)
	require.LessOrEqual(t, followUp(), 2*n/store.FollowPage, "pages")
	lap("chain canceled")
	rows, err = s.Rows(t.Context(), []task.ID{chain[n-1].ID})
	require.NoError(t, err)
	require.Equal(t, task.Canceled, rows[0].State)
	require.Equal(t, task.DependencyFailed, rows[0].Reason)
}

// claimedOf are the tasks that run.
func claimedOf(rows []store.Row) (held []store.Claimed) {
	for _, row := range rows {
		if row.State == task.Running {
			held = append(held, store.Claimed{ID: row.ID, Token: row.Token})
		}
	}
	return held
}
