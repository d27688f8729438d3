package operate

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
)

// TestOneLookAtTheDatabaseServesAll who ask while it goes on, and for as long as it is fresh;
// of the node it is said how it is now.
func TestOneLookAtTheDatabaseServesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		var down error
		h := NewHealth(HealthConfig{
			Ready: func(context.Context) error { return down },
			Examine: func(context.Context) (store.Health, error) {
				looks.Add(1)
				time.Sleep(time.Second)
				return store.Health{At: time.Now(), Checks: []store.Check{{Name: "ready", Status: store.CheckOK}}}, nil
			},
		})
		ask := func() store.Health {
			found, err := h.Look(t.Context())
			require.NoError(t, err)
			return found
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { ask() })
		}
		all.Wait()
		require.EqualValues(t, 1, looks.Load())
		time.Sleep(19 * time.Second)
		down = errors.New("stopping")
		found := ask()
		require.EqualValues(t, 1, looks.Load(), "a twentieth of the time is enough")
		require.Equal(t, []store.CheckStatus{store.CheckFail, store.CheckOK}, []store.CheckStatus{found.Checks[0].Status, found.Checks[1].Status})
		require.Equal(t, "stopping", found.Checks[0].Detail)
		time.Sleep(time.Second)
		ask()
		require.EqualValues(t, 2, looks.Load())

		gone, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(time.Minute)
		_, err := h.Look(gone)
		require.ErrorIs(t, err, context.Canceled)
		ask()
		require.EqualValues(t, 3, looks.Load(), "who does not wait ends no look that others may wait for")
	})
}

// TestADatabaseThatCannotBeLookedAtIsAFault, and one that nobody looks at is none.
func TestADatabaseThatCannotBeLookedAtIsAFault(t *testing.T) {
	ready := func(context.Context) error { return nil }
	h := NewHealth(HealthConfig{Ready: ready, Examine: func(context.Context) (store.Health, error) { return store.Health{}, errors.New("no answer") }})
	found, err := h.Look(t.Context())
	require.NoError(t, err)
	require.Equal(t, "no answer", found.Checks[1].Detail)
	require.Equal(t, 1, found.Count(store.CheckFail))

	found, err = NewHealth(HealthConfig{Ready: ready}).Look(t.Context())
	require.NoError(t, err)
	require.Zero(t, found.Count(store.CheckFail))
	require.Equal(t, 1, found.Count(store.CheckSkip))
}
