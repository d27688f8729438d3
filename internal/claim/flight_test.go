package claim

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (r *rig) rescue(t *testing.T) store.Rescued {
	r.floor.mu.Lock()
	defer r.floor.mu.Unlock()
	got, err := r.Rescue(t.Context(), r.node, r.Claims(), 100)
	require.NoError(t, err)
	return got
}

func (r *rig) drafts(n int) (list []store.NewTask) {
	for range n {
		r.n++
		list = append(list, store.NewTask{ID: task.ID{3, byte(len(list) >> 8), byte(len(list)), r.n}, Lane: r.lane.ID, Priority: 5, Kind: task.HTTP, MaxAttempts: 1})
	}
	return list
}

func TestASlotIsFreeWhileTheEndOfItsAttemptIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newPollingRig(t, 1, time.Second, time.Hour)
		defer stop()
		r.commit.Store(int64(time.Minute))
		at := time.Now()
		r.Wake(r.insert(r.drafts(5)...))
		for range 5 {
			r.next(t)
		}
		require.Equal(t, 4*time.Second, time.Since(at), "attempts waited for the commits of those before")
		synctest.Wait()
		require.Equal(t, 1, r.InFlight())
		require.Equal(t, 4, r.Settling())
	})
}

// A settle under way is no reason for anybody else to run the task, however long
// it takes.
func TestATaskIsInOurHandsUntilItsEndIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newPollingRig(t, 3, time.Second, time.Second)
		defer stop()
		r.commit.Store(int64(time.Hour))
		r.Wake(r.insert(r.drafts(3)...))
		for range 3 {
			r.next(t)
		}
		time.Sleep(time.Minute)
		require.Zero(t, r.InFlight())
		require.Len(t, r.Claims(), 1)
		require.Zero(t, r.rescue(t).Tasks, "a task was taken back while its end was being written")
		time.Sleep(time.Hour)
		require.Empty(t, r.Claims(), "a claim whose tasks are settled is still held")
	})
}

func TestEndsThatAreNotWrittenKeepTheirSlotsBeyondABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newPollingRig(t, 2, time.Millisecond, time.Hour)
		defer stop()
		r.commit.Store(int64(time.Minute))
		at := time.Now()
		r.Wake(r.insert(r.drafts(unsettled + 10)...))
		for range unsettled + 2 {
			r.next(t)
		}
		time.Sleep(10 * time.Second)
		require.Empty(t, r.ran, "ends pile up without a bound")
		require.Equal(t, unsettled+2, r.Settling())
		r.next(t)
		require.Equal(t, time.Minute+time.Millisecond, time.Since(at), "the slots are not used again when the first ends are written")
		for range 7 {
			r.next(t)
		}
	})
}

func TestDrainWaitsForTheEndsToBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newPollingRig(t, 3, time.Second, time.Hour)
		r.commit.Store(int64(time.Minute))
		at := time.Now()
		r.Wake(r.insert(r.drafts(3)...))
		time.Sleep(2 * time.Second)
		stop()
		require.Equal(t, 61*time.Second, time.Since(at))
		r.floor.mu.Lock()
		defer r.floor.mu.Unlock()
		s, err := r.Snapshot(t.Context())
		require.NoError(t, err)
		require.Empty(t, s.Claims)
	})
}

func TestWhatHasEndedCannotBeStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newPollingRig(t, 3, time.Second, time.Hour)
		defer stop()
		r.commit.Store(int64(time.Minute))
		r.Wake(r.insert(r.drafts(1)...))
		id := r.next(t)
		require.Len(t, r.Held(0), 1)
		time.Sleep(2 * time.Second)
		require.Empty(t, r.Held(0))
		r.Stop(store.Held{ID: id}, errors.New("canceled"))
		r.Drop(errors.New("the lease was lost"))
		require.Equal(t, 1, r.Settling())
		require.Empty(t, r.Claims())
	})
}

// Who asks for an attempt to be stopped may be late: the task has been settled
// and claimed again by us.
func TestAStopMeansTheAttemptOfItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newPollingRig(t, 3, time.Hour, time.Hour)
		defer stop()
		r.Wake(r.insert(r.drafts(1)...))
		id := r.next(t)
		synctest.Wait()
		h := r.Held(0)[0]
		r.Stop(store.Held{ID: id, Token: h.Token + 1}, errors.New("lost"))
		synctest.Wait()
		require.Equal(t, 1, r.InFlight(), "an attempt was stopped for another one")
		r.Stop(h, errors.New("lost"))
		synctest.Wait()
		require.Zero(t, r.InFlight())
	})
}

// A suspect that brings the node down would have tasks charged for it whose end
// is not written.
func TestASuspectWaitsForTheEndsToBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newPollingRig(t, 3, time.Second, time.Second)
		defer stop()
		r.commit.Store(int64(30 * time.Second))
		at := time.Now()
		r.Wake(r.insert(r.drafts(1)...))
		r.next(t)
		suspect := r.draft(5)
		suspect.Kind = task.Local
		r.insertSuspect(suspect)
		require.Equal(t, suspect.ID, r.next(t))
		require.GreaterOrEqual(t, time.Since(at), 31*time.Second)
	})
}
