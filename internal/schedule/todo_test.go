package schedule

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// leave has a function leave n calls of it to be canceled, as so many restarts do.
func (r *rig) leave(t *testing.T, id task.ID, n int) {
	t.Helper()
	_, _, err := r.Insert(t.Context(), []store.NewTask{{ID: id, Lane: r.lane.ID, Kind: task.Function, MaxAttempts: 3}}, false)
	require.NoError(t, err)
	for range n + 1 { // the first one finds no calls
		_, err = r.Restart(t.Context(), id)
		require.NoError(t, err)
	}
}

func (r *rig) todos() []store.Todo {
	s, _ := r.Snapshot(context.Background())
	return s.Todos
}

// doer notes what is to be done, and fails as often as it is told to.
type doer struct {
	mu    sync.Mutex
	did   []store.Todo
	at    []time.Time
	fails int
}

func (d *doer) do(_ context.Context, t store.Todo) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.did, d.at = append(d.did, t), append(d.at, time.Now())
	if d.fails > 0 {
		d.fails--
		return errors.New("not now")
	}
	return nil
}

func (d *doer) times() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.did)
}

func bubble(t *testing.T, fails int, test func(*testing.T, *rig, *doer)) {
	synctest.Test(t, func(t *testing.T) {
		d := &doer{fails: fails}
		r, stop := newRigWith(t, d.do)
		defer stop()
		test(t, r, d)
	})
}

func TestWhatIsLeftToDoIsDoneAtOnceByTheNodeThatLeftIt(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig, d *doer) {
		synctest.Wait()
		began := time.Now()
		r.leave(t, task.ID{1}, 1)
		<-r.Left(task.ID{1})
		require.Equal(t, began, time.Now())
		require.Equal(t, 1, d.times())
		require.Equal(t, int32(1), d.did[0].Epoch)
		require.Empty(t, r.todos(), "it is finished")
		<-r.Left(task.ID{1}) // there is nothing to wait for
		require.Equal(t, began, time.Now())
	})
}

func TestWhatIsLeftToDoIsFoundWithoutBeingTold(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig, d *doer) {
		synctest.Wait()
		r.leave(t, task.ID{1}, 1)
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, d.times())
	})
}

func TestWhatFailedIsDoneLater(t *testing.T) {
	bubble(t, 2, func(t *testing.T, r *rig, d *doer) {
		r.leave(t, task.ID{1}, 1)
		<-r.Left(task.ID{1})
		require.Len(t, r.todos(), 1)
		time.Sleep(time.Minute)
		require.Equal(t, 3, d.times())
		for i := range 2 {
			require.GreaterOrEqual(t, d.at[i+1].Sub(d.at[i]), todoOff)
		}
		require.Empty(t, r.todos())
	})
}

func TestMuchIsLeftToDo(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig, d *doer) {
		synctest.Wait()
		began := time.Now()
		for i := range byte(2*todoPage + 50) {
			r.leave(t, task.ID{1, i}, 1)
		}
		r.leave(t, task.ID{1, 255}, 1)
		<-r.Left(task.ID{1, 255})
		synctest.Wait()
		require.Equal(t, 2*todoPage+51, d.times(), "page after page")
		require.Empty(t, r.todos())
		require.Equal(t, began, time.Now())
	})
}

func TestNobodyWaitsForASchedulerThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRigWith(t, func(ctx context.Context, _ store.Todo) error { <-ctx.Done(); return ctx.Err() })
		r.leave(t, task.ID{1}, 1)
		done := r.Left(task.ID{1})
		synctest.Wait()
		stop()
		<-done
		<-r.Left(task.ID{1})
		require.Len(t, r.todos(), 1, "what was not done is still there")
	})
}
