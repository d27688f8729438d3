package postgres_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/task"
)

// keepsTerms makes the database refuse a commit that is not on disk before it is
// acknowledged, or whose transaction runs under another of a role's defaults
// that would weaken it. It looks when the transaction commits.
func keepsTerms(t testing.TB, dsn string) {
	t.Helper()
	exec(t, dsn, `
create function public.keeps_terms() returns trigger language plpgsql as $$ begin
 if current_setting('synchronous_commit') = 'off' then
  raise exception 'sendoff.% is written with synchronous_commit off: a crash of the database loses what was acknowledged', tg_table_name;
 elsif current_setting('client_min_messages') in ('error', 'fatal', 'panic') then
  raise exception 'sendoff.% is written with client_min_messages error: nobody hears that a standby was not waited for', tg_table_name;
 elsif current_setting('statement_timeout') <> '13500ms' or current_setting('lock_timeout') <> '0'
  or current_setting('idle_in_transaction_session_timeout') <> '13500ms' then
  raise exception 'sendoff.% is written under the timeouts of the role', tg_table_name;
 elsif current_setting('transaction_isolation') <> 'read committed' then
  raise exception 'sendoff.% is written at another level than the statements are made for', tg_table_name;
 end if;
 return null;
end $$;
do $$ declare name text; begin
 for name in select tablename from pg_tables where schemaname = 'sendoff' and tablename <> 'migration' loop
  execute format('create constraint trigger keeps_terms after insert or update or delete on sendoff.%I
   deferrable initially deferred for each row execute function public.keeps_terms()', name);
 end loop;
end $$`)
}

// setDefaults gives the database defaults, instead of those it had.
func setDefaults(t testing.TB, dsn string, settings ...string) {
	t.Helper()
	do := func(change string) {
		t.Helper()
		exec(t, dsn, `begin read write; do $do$ begin execute format('alter database %I `+strings.ReplaceAll(change, "'", "''")+`', current_database()); end $do$; commit`)
	}
	do("reset all")
	for _, s := range settings {
		do("set " + s)
	}
}

// endSessions ends the connections of a store, so that new ones get the defaults
// of now.
func endSessions(t testing.TB, dsn string) {
	t.Helper()
	exec(t, dsn, `
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'sendoff'`)
}

// everything a node does with its database, once.
func everything(t *testing.T, f *fixture) {
	t.Helper()
	ctx := t.Context()
	lane, err := f.s.EnsureLane(ctx, store.DefaultNamespace, fmt.Sprintf("queue-%d", rand.Uint32()), task.AnyPool, 1<<20)
	require.NoError(t, err)
	f.lane = lane.ID
	require.NoError(t, f.beat(t))
	keyed := f.tasks(5)
	hash := store.HashOf(keyed[0].ID[:])
	keyed[0].Keys = []store.Key{{Kind: store.IdempotencyKey, Namespace: 1, Hash: hash, TTL: 1e9}}
	keyed[1].Payload, keyed[1].Group = []byte("\\x00\x00\xff'\""), "gr\u00fc\u00dfe"
	for _, tasks := range [][]store.NewTask{keyed, f.tasks(600)} {
		out, _, err := f.s.Insert(ctx, tasks, false)
		require.NoError(t, err)
		require.Equal(t, store.Created, out[0].Status)
	}
	found, err := f.s.FindKey(ctx, 1, store.IdempotencyKey, hash)
	require.NoError(t, err)
	require.Equal(t, keyed[0].ID, found)

	batch := f.claim(t, 0, 6)
	require.Len(t, batch.Tasks, 6)
	require.Equal(t, string(keyed[1].Payload), string(batch.Tasks[1].Payload))
	failed := store.Transition{ID: batch.Tasks[0].ID, Token: batch.Tasks[0].Token, Outcome: task.Failure, Error: "schön 日本",
		Decision: task.Decision{To: task.Scheduled, Reason: task.Backoff, Failures: 1}}
	errs, _, err := f.s.Settle(ctx, []store.Transition{failed})
	require.NoError(t, err)
	require.NoError(t, errs[0])
	attempts, _, err := f.s.Attempts(ctx, failed.ID, 0, 1000, 1<<30)
	require.NoError(t, err)
	require.Equal(t, failed.Error, attempts[0].Error)
	require.True(t, f.settle(t, batch.Tasks[1:]))
	_, _, _, err = f.s.PromoteDue(ctx, 100)
	require.NoError(t, err)
	_, err = f.s.Rescue(ctx, f.node, nil, 100)
	require.NoError(t, err)
	_, err = f.s.Cancel(ctx, keyed[0].ID, store.Alone)
	require.NoError(t, err)
	_, err = f.s.Retry(ctx, keyed[0].ID)
	require.NoError(t, err)
	_, err = f.s.SetPaused(ctx, lane.QueueID, true)
	require.NoError(t, err)
	_, _, err = f.s.Purge(ctx, []int32{f.lane}, 1000)
	require.NoError(t, err)
	_, err = f.s.Retain(ctx, store.Keep{}, task.ID{}, 1000)
	require.NoError(t, err)
}

// hears tells that a hint of this store comes back to it.
func hears(t *testing.T, f *fixture) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	heard := make(chan store.Hint, 1000)
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.s.Listen(ctx, func(h store.Hint) { heard <- h }) })
	defer wg.Wait()
	defer stop()
	require.Eventually(t, func() bool {
		require.NoError(t, f.s.Notify(ctx, store.Hint{Changed: store.ChangedCatalog}))
		return len(heard) > 0
	}, 20*time.Second, 20*time.Millisecond, "a hint is heard")
}

// defaults that a role or a database may have been given for reasons of others.
var defaults = []string{
	"client_encoding = 'LATIN1'", "client_encoding = 'SQL_ASCII'", "client_encoding = 'EUC_JP'", "standard_conforming_strings = off",
	"datestyle = 'German'", "datestyle = 'SQL, DMY'", "intervalstyle = 'sql_standard'", "timezone = 'Asia/Kathmandu'", "bytea_output = 'escape'",
	"extra_float_digits = '-15'", "array_nulls = off", "backslash_quote = off", "search_path = ''", "search_path = 'decoy'",
	"statement_timeout = '20s'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '1s'", "idle_session_timeout = '50ms'",
	"default_transaction_isolation = 'serializable'", "default_transaction_isolation = 'repeatable read'", "default_transaction_deferrable = on",
	"synchronous_commit = off", "synchronous_commit = local", "client_min_messages = error", "row_security = off",
	"jit_above_cost = 0", "enable_indexscan = off", "enable_nestloop = off", "plan_cache_mode = 'force_generic_plan'", "work_mem = '64kB'",
	"force_parallel_mode = on", "quote_all_identifiers = on", "xmloption = 'document'", "transform_null_equals = on", "from_collapse_limit = 1",
}

// known returns those defaults that this version of the database has.
func known(t testing.TB, dsn string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	return slices.DeleteFunc(slices.Clone(defaults), func(s string) bool {
		name, _, _ := strings.Cut(s, " ")
		var n int
		require.NoError(t, conn.QueryRow(t.Context(), "select count(*) from pg_settings where name = $1", name).Scan(&n))
		return n == 0
	})
}

// TestWorksUnderAnyDefaults of the role or the database, each alone and some
// together, directly and through a pooler.
func TestWorksUnderAnyDefaults(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	t.Parallel()
	direct := testkit.Postgres(t)
	keepsTerms(t, direct)
	exec(t, direct, "create schema decoy; create table decoy.task (id int); create table decoy.node (id int)")
	pooled := testkit.PgBouncer(t, direct)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	try := func(settings ...string) {
		setDefaults(t, direct, settings...)
		for _, dsn := range []string{direct, pooled} {
			endSessions(t, direct)
			name := map[string]string{direct: "directly", pooled: "pooled"}[dsn] + ": " + strings.Join(settings, "; ")
			t.Run(name, func(t *testing.T) {
				f := newFixture(t, dsn, postgres.Options{Logger: quiet, MaxConns: 6})
				everything(t, f)
				if dsn == direct {
					hears(t, f)
				}
			})
		}
	}
	defaults := known(t, direct)
	for _, s := range defaults {
		try(s)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		some := slices.Clone(defaults)
		rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		try(some[:2+rng.IntN(6)]...)
	}
}

// TestACommitIsOnDiskWhateverTheDatabaseIsTold: synchronous_commit off, given to
// the database, must not reach a transaction that writes.
func TestACommitIsOnDiskWhateverTheDatabaseIsTold(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	keepsTerms(t, dsn)
	setDefaults(t, dsn, "synchronous_commit = off", "client_min_messages = error")
	f := newFixture(t, dsn, postgres.Options{})
	everything(t, f)

	setDefaults(t, dsn, "synchronous_commit = remote_apply")
	exec(t, dsn, `create table public.level (name text);
create function public.note_level() returns trigger language plpgsql as $$ begin
 insert into public.level values (current_setting('synchronous_commit')); return null; end $$;
create constraint trigger note_level after insert on sendoff.task deferrable initially deferred for each row execute function public.note_level()`)
	f = newFixture(t, dsn, postgres.Options{})
	f.fill(t, 1)
	require.EqualValues(t, 1, f.one(t, "select count(*) from public.level where name = 'remote_apply'"), "a stronger level stays")
}

// TestAReadOnlySpellEndsWithItsCause: while the database takes no writes they
// fail and reads go on; as soon as it takes them again, everything works, though
// connections were made in between, by us and by a pooler.
func TestAReadOnlySpellEndsWithItsCause(t *testing.T) {
	t.Parallel()
	for name, pooled := range map[string]bool{"direct": false, "behind a pooler": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := testkit.Postgres(t)
			dsn := direct
			if pooled {
				dsn = testkit.PgBouncer(t, direct)
			}
			f := newFixture(t, dsn, postgres.Options{Patience: 4 * time.Second, Logger: slog.New(slog.DiscardHandler)})
			f.fill(t, 5)
			setDefaults(t, direct, "default_transaction_read_only = on")
			endSessions(t, direct)
			var calls sync.WaitGroup
			for range 8 {
				calls.Go(func() {
					if _, _, err := f.s.Insert(t.Context(), f.tasks(1), false); err == nil {
						t.Error("a task was stored in a database that takes no writes")
					}
				})
				calls.Go(func() { _, _ = f.s.Cancel(t.Context(), newID(), store.Alone) })
			}
			require.Error(t, f.beat(t))
			require.Eventually(t, func() bool { return f.s.Ping(t.Context()) == nil }, 10*time.Second, 10*time.Millisecond, "reads go on")
			calls.Wait()
			_, err := postgres.Open(t.Context(), direct, postgres.Options{Migrate: true})
			require.ErrorContains(t, err, "takes no writes")

			setDefaults(t, direct)
			for range 20 {
				calls.Go(func() {
					_, _, err := f.s.Insert(t.Context(), f.tasks(1), false)
					if err != nil {
						t.Errorf("the database takes writes again: %v", err)
					}
				})
			}
			calls.Wait()
			require.NoError(t, f.beat(t))
		})
	}
}
