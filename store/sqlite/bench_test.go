package sqlite_test

import (
	"context"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

func openBench(b *testing.B) (*sqlite.Store, int32, task.ID) {
	s, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "bench.db"), sqlite.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	lane, err := s.EnsureLane(context.Background(), store.DefaultNamespace, "default", task.AnyPool, 10)
	require.NoError(b, err)
	node := task.ID(uuid.Must(uuid.NewV7()))
	require.NoError(b, s.Register(context.Background(), store.Node{ID: node}, 1e12))
	return s, lane.ID, node
}

func draft(lane int32) store.NewTask {
	return store.NewTask{
		ID: task.ID(uuid.Must(uuid.NewV7())), Lane: lane, Priority: 5, Kind: task.HTTP, MaxAttempts: 25,
		Spec:    (&task.Spec{Kind: task.HTTP, URL: "http://127.0.0.1:8000/hook", ContentType: "application/json"}).Encode(),
		Payload: make([]byte, 200),
	}
}

func fill(b testing.TB, s *sqlite.Store, lane int32, n int, gates ...func(int) store.Gate) {
	for n > 0 {
		tasks := make([]store.NewTask, min(n, 1000))
		for i := range tasks {
			tasks[i] = draft(lane)
			for _, gate := range gates {
				tasks[i].Gates = append(tasks[i].Gates, gate(n-i))
			}
		}
		_, _, err := s.Insert(context.Background(), tasks, false)
		require.NoError(b, err)
		n -= len(tasks)
	}
}

// BenchmarkInsert stores tasks of 200 bytes, 1,000 to a transaction.
func BenchmarkInsert(b *testing.B) {
	s, lane, _ := openBench(b)
	b.ResetTimer()
	fill(b, s, lane, b.N)
}

// BenchmarkSubmit stores tasks one by one from 64 callers.
func BenchmarkSubmit(b *testing.B) {
	s, lane, _ := openBench(b)
	var callers sync.WaitGroup
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	b.ResetTimer()
	for range 64 {
		callers.Go(func() {
			for range work {
				_, _, err := s.Insert(context.Background(), []store.NewTask{draft(lane)}, false)
				require.NoError(b, err)
			}
		})
	}
	callers.Wait()
}

// BenchmarkClaimSettle works a backlog off, 500 tasks to a claim, the settles of
// one claim together with the next one.
func BenchmarkClaimSettle(b *testing.B) { claimSettle(b, task.Answer{}) }

// BenchmarkClaimSettleAnswer has each task bring something back.
func BenchmarkClaimSettleAnswer(b *testing.B) {
	claimSettle(b, task.Answer{
		Header: []task.Header{{Name: "Content-Type", Value: "application/json"}, {Name: "X-Request-Id", Value: "0123456789abcdef"}},
		Body:   make([]byte, 200),
	})
}

// BenchmarkClaimSettleGate has each task come to a gate of its own, where nobody waits.
func BenchmarkClaimSettleGate(b *testing.B) {
	claimSettle(b, task.Answer{}, func(i int) store.Gate { return gate(store.LimitGate, i) })
}

// BenchmarkClaimSettleHandOver has each task but the first of 500 orders wait for the one
// before it.
func BenchmarkClaimSettleHandOver(b *testing.B) {
	claimSettle(b, task.Answer{}, func(i int) store.Gate { return gate(store.OrderGate, i%500) })
}

func gate(kind store.GateKind, n int) store.Gate {
	return store.Gate{Kind: kind, Namespace: store.DefaultNamespace, Name: "customer:" + strconv.Itoa(n), Capacity: 1}
}

// BenchmarkInsertGate stores tasks of which each comes to a gate of its own.
func BenchmarkInsertGate(b *testing.B) {
	s, lane, _ := openBench(b)
	b.ResetTimer()
	fill(b, s, lane, b.N, func(i int) store.Gate { return gate(store.LimitGate, i) })
}

func claimSettle(b *testing.B, answer task.Answer, gates ...func(int) store.Gate) {
	s, lane, node := openBench(b)
	fill(b, s, lane, b.N, gates...)
	b.ResetTimer()
	var settles sync.WaitGroup
	defer settles.Wait()
	var done []task.ID
	cursor := int64(0)
	for left := b.N; left > 0; {
		id := task.ID(uuid.Must(uuid.NewV7()))
		batch, err := s.Claim(context.Background(), store.ClaimRequest{ID: id, Node: node, Limit: 500, Done: done,
			Slots: []store.ClaimSlot{{Lane: lane, Priority: 5, Cursor: cursor, Limit: 500}}})
		require.NoError(b, err)
		settles.Wait()
		ts := make([]store.Transition, len(batch.Tasks))
		for i, c := range batch.Tasks {
			ts[i] = store.Transition{ID: c.ID, Token: c.Token, Flags: c.Flags, Outcome: task.Success, Code: 200, Decision: task.Decision{To: task.Succeeded}, Answer: answer}
			cursor = c.Position
		}
		if len(gates) > 0 {
			cursor = 0 // whoever enters is behind it
		}
		left -= len(ts)
		settles.Go(func() {
			_, _, err := s.Settle(context.Background(), ts)
			require.NoError(b, err)
		})
		done = []task.ID{id}
	}
}

// BenchmarkStats counts 100,000 scheduled tasks in 50 queues.
func BenchmarkStats(b *testing.B) {
	s, _, _ := openBench(b)
	for i := range 50 {
		lane, err := s.EnsureLane(context.Background(), store.DefaultNamespace, "q"+strconv.Itoa(i), task.AnyPool, 100)
		require.NoError(b, err)
		tasks := make([]store.NewTask, 2000)
		for i := range tasks {
			tasks[i] = draft(lane.ID)
			tasks[i].Delay = 3600_000_000
		}
		_, _, err = s.Insert(context.Background(), tasks, false)
		require.NoError(b, err)
	}
	b.ResetTimer()
	for range b.N {
		stats, err := s.Stats(context.Background())
		require.NoError(b, err)
		require.Len(b, stats, 50)
	}
}
