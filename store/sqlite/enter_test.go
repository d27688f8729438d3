package sqlite

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// What is inserted and let go in one transaction, before or after the rest of it was
// listed, waits in ready once.
func TestATaskThatEntersWhereItWasInsertedIsListedOnce(t *testing.T) {
	ctx := t.Context()
	s, err := Open(ctx, filepath.Join(t.TempDir(), "db"), Options{})
	require.NoError(t, err)
	defer s.Close()
	lane, err := s.EnsureLane(ctx, store.DefaultNamespace, "q", task.AnyPool, 9)
	require.NoError(t, err)
	var k woken
	serial := byte(0)
	insert := func(w *writer, delay int64) (store.NewTask, error) {
		serial++
		nt := store.NewTask{ID: task.ID{serial}, Lane: lane.ID, Kind: task.HTTP, Priority: 5, Spec: []byte{1}, Delay: delay}
		verdict := store.Verdict{Inserted: store.Inserted{Status: store.Created, ID: nt.ID, CreatedAt: w.now}}
		return nt, w.insertOne(&nt, &verdict, &store.Inserted{}, &k)
	}
	release := func(w *writer) error {
		nt, err := insert(w, 1000)
		if err != nil {
			return err
		}
		_, err = insert(w, 0)
		row, err2 := w.row(nt.ID)
		return errors.Join(err, err2, w.promote(&dueTimer{at: row.At, id: row.ID, who: row.Entrant()}, &k))
	}
	err = s.do(ctx, rankOther, 1, func(w *writer) error {
		first, err := insert(w, 1000)
		row, err2 := w.row(first.ID)
		return errors.Join(err, err2, release(w), w.listNew(), release(w),
			w.promote(&dueTimer{at: row.At, id: row.ID, who: row.Entrant()}, &k), w.listNew(), w.listNew(), release(w))
	})
	require.NoError(t, err)
	require.Len(t, k.list, 1)
	snap, err := s.Snapshot(ctx)
	require.NoError(t, err)
	require.Empty(t, snap.Timers)
	listed := map[task.ID]int{}
	for _, e := range snap.Ready {
		listed[e.ID]++
	}
	require.Equal(t, map[task.ID]int{{1}: 1, {2}: 1, {3}: 1, {4}: 1, {5}: 1, {6}: 1, {7}: 1}, listed)
}
