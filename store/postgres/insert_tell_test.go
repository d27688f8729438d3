package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/task"
)

// Many at once signal a function that is not there: one of them starts it, and it
// is told what all of them say.
func TestSignalsThatStartAFunctionDoNotRace(t *testing.T) {
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	const n = 40
	key := store.Key{Kind: store.ClientIDKey, Namespace: store.DefaultNamespace, Hash: store.HashOf([]byte("basket"))}
	tasks := f.tasks(n)
	results := make([]store.Inserted, n)
	var all sync.WaitGroup
	for i := range tasks {
		tasks[i].Kind, tasks[i].Keys = task.Function, []store.Key{key}
		tasks[i].Tell = []store.Message{{Kind: store.Signal, Name: fmt.Sprint(i)}}
		all.Go(func() {
			out, _, err := f.s.Insert(t.Context(), tasks[i:i+1], true)
			if err == nil {
				results[i] = out[0]
			}
		})
	}
	all.Wait()
	counts := map[store.InsertStatus]int{}
	for _, r := range results {
		counts[r.Status]++
		require.Equal(t, results[0].ID, r.ID)
	}
	require.Equal(t, map[store.InsertStatus]int{store.Created: 1, store.Existing: n - 1}, counts)
	r, err := f.s.Resume(t.Context(), results[0].ID, 0, n+1, 1<<20)
	require.NoError(t, err)
	told := map[string]bool{}
	for _, m := range r.Messages {
		told[m.Name] = true
	}
	require.Len(t, told, n)
	require.Len(t, r.Messages, n)
}
