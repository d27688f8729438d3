package postgres_test

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/storetest"
)

// A step costs a hundred times what it costs in memory, so chance gets fewer
// sequences here.
func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		_ = checks.Value.Set("50")
	}
	goleak.VerifyTestMain(m)
}

// opener returns stores over one database that is emptied before each use:
// storetest asks for hundreds. Its defaults would weaken every commit, and it
// refuses one that they did weaken.
func opener(t *testing.T, direct, dsn string) func(clock func() int64) store.Store {
	t.Helper()
	keepsTerms(t, direct)
	setDefaults(t, direct, "synchronous_commit = off")
	var last store.Store
	t.Cleanup(func() {
		if last != nil {
			require.NoError(t, last.Close())
		}
	})
	return func(clock func() int64) store.Store {
		if last != nil {
			require.NoError(t, last.Close())
		}
		empty(t, direct)
		s, err := postgres.Open(t.Context(), dsn, postgres.Options{Clock: clock, MaxConns: 2})
		require.NoError(t, err)
		last = s
		return s
	}
}

func TestStoreBehavesLikeOracle(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	storetest.Run(t, opener(t, dsn, dsn))
}

func TestRulesOfTheStore(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	storetest.RunRules(t, opener(t, dsn, dsn))
}

func TestFunctionsBehaveLikeOracle(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	storetest.RunFunctions(t, opener(t, dsn, dsn))
}

// Not beside others, because it has fewer followers told at a time.
func TestDependenciesBehaveLikeOracle(t *testing.T) {
	dsn := testkit.Postgres(t)
	storetest.RunDeps(t, opener(t, dsn, dsn))
}

func TestWhatEndsAWait(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	storetest.RunWaits(t, opener(t, dsn, dsn))
}

func TestStoreBehavesLikeOracleBehindPgBouncer(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("slow, and one goroutine at a time")
	}
	t.Parallel()
	dsn := testkit.Postgres(t)
	storetest.Run(t, opener(t, dsn, testkit.PgBouncer(t, dsn)))
}

// empty leaves the tables as they were made.
func empty(t *testing.T, dsn string) {
	t.Helper()
	exec(t, dsn, `
set session_replication_role = replica; -- what watches the commits of a store does not watch this
delete from sendoff.queue; delete from sendoff.lane; delete from sendoff.node; delete from sendoff.task;
delete from sendoff.ready; delete from sendoff.timer; delete from sendoff.claim; delete from sendoff.dead;
delete from sendoff.attempt; delete from sendoff.body; delete from sendoff.key; delete from sendoff.wait; delete from sendoff.inbox; delete from sendoff.journal; delete from sendoff.todo;
delete from sendoff.dep; delete from sendoff.need; delete from sendoff.gate; delete from sendoff.line; delete from sendoff.leaver; delete from sendoff.node_view; delete from sendoff.endpoint_reset; delete from sendoff.endpoint_pause; delete from sendoff.share; delete from sendoff.graph; delete from sendoff.saved_view; delete from sendoff.sealed; delete from sendoff.schedule; delete from sendoff.fire;
truncate sendoff.audit restart identity; delete from sendoff.action; delete from sendoff.action_item; delete from sendoff.api_key; delete from sendoff.failure_group; delete from sendoff.rollup; delete from sendoff.namespace where id > 1; update sendoff.namespace set rev = 1, settings = null, paused_at = 0`)
}

func TestGatesBehaveLikeOracle(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	storetest.RunGates(t, opener(t, dsn, dsn))
}

func TestClaimsRide(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	storetest.RunRides(t, opener(t, dsn, dsn))
}
