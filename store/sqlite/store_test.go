package sqlite_test

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/store/storetest"
)

func TestSQLiteBehavesLikeTheOracle(t *testing.T) { storetest.Run(t, fresh(t)) }

func TestRulesOfTheStore(t *testing.T) { storetest.RunRules(t, fresh(t)) }

func TestFunctionsBehaveLikeTheOracle(t *testing.T) { storetest.RunFunctions(t, fresh(t)) }

func TestDependenciesBehaveLikeTheOracle(t *testing.T) { storetest.RunDeps(t, fresh(t)) }

func TestGatesBehaveLikeTheOracle(t *testing.T) { storetest.RunGates(t, fresh(t)) }

func TestWhatEndsAWait(t *testing.T) { storetest.RunWaits(t, fresh(t)) }

// fresh opens one empty store after the other.
func fresh(t *testing.T) func(clock func() int64) store.Store {
	dir, n := t.TempDir(), 0
	var open *sqlite.Store
	t.Cleanup(func() { open.Close() })
	return func(clock func() int64) store.Store {
		if open != nil {
			require.NoError(t, open.Close())
		}
		n++
		var err error
		open, err = sqlite.Open(context.Background(), filepath.Join(dir, strconv.Itoa(n)+".db"), sqlite.Options{Clock: clock})
		require.NoError(t, err)
		return open
	}
}

func TestClaimsRide(t *testing.T) { storetest.RunRides(t, fresh(t)) }
