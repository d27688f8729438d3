package operate

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestOneLookServesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		looks, ended, alone := 0, false, true
		e := newEnds(func(_ context.Context, ids []task.ID) (rows []store.Row, err error) {
			mu.Lock()
			defer mu.Unlock()
			looks++
			for _, id := range ids {
				row := store.Row{ID: id, State: task.Ready}
				if ended {
					row.State = task.Succeeded
				}
				rows = append(rows, row)
			}
			return rows, nil
		}, func() bool { mu.Lock(); defer mu.Unlock(); return alone })
		var told []<-chan struct{}
		for i := range 300 {
			var id task.ID
			binary.BigEndian.PutUint64(id[:], uint64(i))
			ch, stop := e.watch(id)
			defer stop()
			told = append(told, ch)
		}
		time.Sleep(10*time.Second + time.Millisecond)
		mu.Lock()
		require.Equal(t, 20, looks, "300 waiters look once for all of them, every half second")
		alone = false // from the look on that is due
		mu.Unlock()
		time.Sleep(10 * time.Second)
		mu.Lock()
		require.InDelta(t, 20+9.5/0.055, looks, 2, "and 18 times a second where other nodes end tasks")
		ended = true
		mu.Unlock()
		for _, ch := range told {
			<-ch
		}
	})
}

func TestWhoWaitsForATaskThatIsGoneIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(func(context.Context, []task.ID) ([]store.Row, error) { return nil, nil }, func() bool { return true })
		ch, stop := e.watch(task.ID{1})
		defer stop()
		<-ch
	})
}

func TestTheLookingEndsWithTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails while a goroutine is left
		e := newEnds(func(context.Context, []task.ID) ([]store.Row, error) { return nil, context.Canceled }, func() bool { return true })
		for range 3 {
			_, one := e.watch(task.ID{1})
			_, two := e.watch(task.ID{1})
			time.Sleep(time.Second)
			one()
			require.NotNil(t, e.stop, "another one still waits")
			two()
			require.Nil(t, e.stop)
		}
	})
}

func TestListingsTakeTurnsAndSayWhenTheyCannot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := make(heavy, heavyAtATime)
		var done []func()
		for range heavyAtATime {
			end, err := turns.begin(t.Context())
			require.NoError(t, err)
			done = append(done, end)
		}
		_, err := turns.begin(t.Context())
		require.ErrorIs(t, err, ErrBusy, "nobody ended in time")
		go func() {
			time.Sleep(time.Second)
			done[0]()
		}()
		end, err := turns.begin(t.Context())
		require.NoError(t, err, "a turn came within the patience")
		end()
		for _, end := range done[1:] {
			end()
		}
	})
}
