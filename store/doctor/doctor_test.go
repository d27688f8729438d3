package doctor_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/seal"
	"github.com/sendoff-dev/sendoff/internal/signing"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/doctor"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// ids of tasks that are not there.
const stranger = "11111111-1111-7111-8111-111111111111"

// faults break something of both floors. $stranger and $key are ids of nothing, $N is the Nth
// task, $now the time in microseconds, $blob a few bytes.
var faults = []struct{ check, sql string }{
	{"gates", `update gate set inside = inside + 1`},
	{"ready", `insert into ready (lane, prio, pos, id) values (1, 5, 1, $stranger)`},
	{"ready", `delete from ready where id = $1`},
	{"timers", `insert into timer (at, id, lane) values ($now + 9000000000, $stranger, 1)`},
	{"timers", `update task set state = 3 where id = $2`},
	{"running", `update task set state = 2, node = $stranger where id = $2`},
	{"failed", `insert into dead (lane, at, id) values (1, 1, $stranger)`},
	{"lines", `insert into line (gate, prio, at, task, lane) values ($stranger, 0, 1, $stranger, 1)`},
	{"dependants", `update need set waits = $false where waits`},
	{"dependencies", `update need set total = total + 1`},
	{"edges", `insert into dep (up, down, ended) values ($1, $stranger, 0)`},
	{"payloads", `update task set flags = flags | 1 where id = $1`},
	{"leftovers", `insert into body (task, part, bytes) values ($stranger, 0, $blob)`},
	{"namespaces", `insert into queue (id, ns, name, created_at) values (77, 99, 'q', 0)`},
	{"queues", `update task set lane = 4711 where id = $1`},
	{"claims", `update claim set node = $stranger`},
	{"due", `insert into timer (at, id, lane) values (5, $stranger, 1)`},
	{"todos", `insert into todo (task, kind, token, at, detail) values ($stranger, 1, 1, 5, $blob)`},
	{"schedules", `insert into schedule (ns, name, rev, paused, spec, edited, next_at, last_due, last_fired, last_outcome, created_at, updated_at)
 values (1, 's', 1, $false, $blob, $false, 5, 0, 0, 0, 0, 0)`},
	{"paused", `update namespace set paused_at = 7`},
	{"api-keys", `insert into api_key (id, ns, name, prefix, hash, scopes, created_at, expires_at, last_used_at, revoked_at, rev)
 values ('k', 1, 'old', 'p', $blob, 1, 1, $now + 60000000, 0, 0, 1)`},
	{"audit", `update audit set reason = 'another one' where seq = (select min(seq) from audit)`},
	{"signing-keys", `insert into sealed (name, doc) values ('signing-keys', $blob)`},
	{"times", `update task set created_at = $now + 900000000`},
}

// floor is a database that is broken.
type floor struct {
	dsn string
	db  *sql.DB
	ids []string
}

func (f *floor) exec(t *testing.T, text string) {
	t.Helper()
	id := func(v string) string { return "'" + v + "'" }
	blob, no := `'\x01'::bytea`, "false"
	if !strings.HasPrefix(f.dsn, "postgres://") {
		id = func(v string) string { return "x'" + strings.ReplaceAll(v, "-", "") + "'" }
		blob, no = "x'01'", "0"
	}
	text = strings.NewReplacer("$stranger", id(stranger), "$now", "(select max(created_at) from task)", "$blob", blob, "$false", no,
		"$1", id(f.ids[0]), "$2", id(f.ids[1])).Replace(text)
	_, err := f.db.ExecContext(t.Context(), text)
	require.NoError(t, err, text)
}

// both are databases of both floors that hold a bit of everything.
func both(t *testing.T) map[string]*floor {
	file := filepath.Join(t.TempDir(), "a.db")
	s, err := sqlite.Open(t.Context(), file, sqlite.Options{})
	require.NoError(t, err)
	light := &floor{dsn: file, ids: furnish(t, s)}
	light.db, err = sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)")
	require.NoError(t, err)
	dsn := testkit.Postgres(t)
	p, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	require.NoError(t, err)
	heavy := &floor{dsn: dsn, ids: furnish(t, p)}
	heavy.db = connected(t, dsn)
	t.Cleanup(func() { _ = light.db.Close() })
	return map[string]*floor{"sqlite": light, "postgres": heavy}
}

func connected(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), `set search_path = sendoff`)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

var _ = stdlib.GetDefaultDriver // the driver that sql.Open names

// furnish stores tasks that are ready, run, wait for a time, for others, and stand at a limit.
func furnish(t *testing.T, s store.Store) (ids []string) {
	t.Helper()
	ctx, _ := store.WithAudit(context.Background(), store.AuditRow{Action: "test", Target: "x"})
	t.Cleanup(func() { _ = s.Close() })
	lane, err := s.EnsureLane(ctx, store.DefaultNamespace, "default", task.AnyPool, 10)
	require.NoError(t, err)
	node := store.Node{ID: newID(), Name: "n", Version: 1}
	require.NoError(t, s.Register(t.Context(), node, time.Hour.Microseconds()))
	tasks := make([]store.NewTask, 8)
	for i := range tasks {
		tasks[i] = store.NewTask{ID: newID(), Lane: lane.ID, Priority: 5, Kind: task.HTTP, MaxAttempts: 25,
			Spec: (&task.Spec{Kind: task.HTTP, URL: "http://127.0.0.1:8000/hook"}).Encode(), Payload: make([]byte, 200+2000*(i%2))}
		ids = append(ids, tasks[i].ID.String())
	}
	tasks[2].RunAt = time.Now().Add(time.Hour).UnixMicro()
	tasks[3].Deps = []task.ID{tasks[2].ID}
	for i := 4; i < 6; i++ {
		tasks[i].Gates = []store.Gate{{Kind: store.LimitGate, Namespace: store.DefaultNamespace, Name: "one", Capacity: 1}}
	}
	_, _, err = s.Insert(context.Background(), tasks, false)
	require.NoError(t, err)
	got, err := s.Claim(t.Context(), store.ClaimRequest{ID: newID(), Node: node.ID, Slots: []store.ClaimSlot{{Lane: lane.ID, Priority: 5, Limit: 2}}, Limit: 2})
	require.NoError(t, err)
	require.Len(t, got.Tasks, 2)
	ids = append(ids[6:], got.Tasks[0].ID.String(), got.Tasks[1].ID.String())
	require.NoError(t, s.PutAudit(t.Context(), []store.AuditRow{{Namespace: 1, Action: "a", Target: "x", Count: 1}, {Namespace: 1, Action: "b", Target: "y", Count: 1}}))
	_, err = s.SealAudit(t.Context(), 10)
	require.NoError(t, err)
	return ids
}

func newID() task.ID { return task.ID(uuid.Must(uuid.NewV7())) }

func examined(t *testing.T, dsn string) map[string]store.Check {
	t.Helper()
	r, err := doctor.Examine(t.Context(), dsn, doctor.Options{})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(r.Checks), 20)
	found := map[string]store.Check{}
	for _, c := range r.Checks {
		require.NotContains(t, found, c.Name)
		found[c.Name] = c
	}
	return found
}

// healthy are the statuses of a check that found nothing.
var healthy = []store.CheckStatus{doctor.OK, doctor.Skip}

// ofTheMachine are checks that say how the tests' machine is set up.
var ofTheMachine = []string{"fsync", "full_page_writes", "synchronous-commit", "disk"}

// TestEachCheckFindsWhatItIsFor: beside a store that is open, all is fine in a database without
// a fault, and what was fine before a fault is not fine after it.
func TestEachCheckFindsWhatItIsFor(t *testing.T) {
	for name, f := range both(t) {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			before := examined(t, f.dsn)
			for _, c := range before {
				if !slices.Contains(ofTheMachine, c.Name) {
					require.Contains(t, healthy, c.Status, "%s: %s", c.Name, c.Detail)
				}
			}
			for _, fault := range faults {
				f.exec(t, fault.sql)
				after := examined(t, f.dsn)
				c := after[fault.check]
				require.Contains(t, []store.CheckStatus{doctor.Warn, doctor.Fail}, c.Status, "%s: %s", c.Name, fault.sql)
				require.NotEmpty(t, c.Fix, c.Name)
				if !seen[c.Name] {
					require.Equal(t, doctor.OK, before[c.Name].Status, c.Name)
					require.NotRegexp(t, regexp.MustCompile(`could not be made`), c.Detail)
				}
				seen[c.Name], before = true, after
			}
		})
	}
}

// TestEachServerCheckFindsWhatItIsFor is the same for what only PostgreSQL has.
func TestEachServerCheckFindsWhatItIsFor(t *testing.T) {
	dsn := testkit.Postgres(t)
	db := connected(t, dsn)
	role := "doctor_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	exec := func(text string) {
		_, err := db.ExecContext(context.WithoutCancel(t.Context()), text)
		require.NoError(t, err, text)
	}
	exec(`create role ` + role)
	t.Cleanup(func() { exec(`drop owned by ` + role); exec(`drop role ` + role) })
	exec(`grant usage on schema sendoff to ` + role)
	exec(`grant select on all tables in schema sendoff to ` + role)
	limited := dsn + map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")] + "options=-c%20role%3D" + role
	require.Equal(t, doctor.Fail, examined(t, limited)["rights"].Status)
	before := examined(t, dsn)
	require.Equal(t, doctor.OK, before["rights"].Status)

	exec(`create function sendoff.nothing() returns trigger language plpgsql as 'begin return new; end'`)
	exec(`create trigger watch after insert on sendoff.ready for each row execute function sendoff.nothing()`)
	exec(`update pg_index set indisvalid = false where indexrelid = 'sendoff.task_lane'::regclass`)
	exec(`insert into sendoff.migration (version_id, is_applied) values (4711, true)`)
	exec(`do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$`)
	after := examined(t, dsn)
	for _, name := range []string{"triggers", "indexes", "schema", "writable"} {
		require.Equal(t, doctor.OK, before[name].Status, name)
		require.Contains(t, []store.CheckStatus{doctor.Warn, doctor.Fail}, after[name].Status, name)
	}
}

// TestEachFileCheckFindsWhatItIsFor is the same for what only files have.
func TestEachFileCheckFindsWhatItIsFor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	s, err := sqlite.Open(t.Context(), file, sqlite.Options{})
	require.NoError(t, err)
	furnish(t, s)
	require.NoError(t, s.Close())
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	defer db.Close()
	exec := func(text string) func() {
		return func() {
			_, err := db.ExecContext(t.Context(), text)
			require.NoError(t, err)
		}
	}
	for _, fault := range []struct {
		check string
		fault func()
	}{
		{"file-mode", func() { require.NoError(t, os.Chmod(file, 0o644)) }},
		{"keys-mode", func() { require.NoError(t, os.WriteFile(file+".keys", nil, 0o640)) }},
		{"file-names", func() { require.NoError(t, os.Link(file, file+".2")) }},
		{"journal", exec(`pragma journal_mode = delete`)},
		{"schema", exec(`insert into goose_db_version (version_id, is_applied) values (4711, 1)`)},
		{"log-size", func() {
			require.NoError(t, os.WriteFile(file+"-wal", nil, 0o600))
			require.NoError(t, os.Truncate(file+"-wal", 600<<20))
		}},
		{"log-size", func() { require.NoError(t, os.Remove(file+"-wal")) }},
		{"integrity", func() {
			is, err := os.Stat(file)
			require.NoError(t, err)
			f, err := os.OpenFile(file, os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("spoiled spoiled"), is.Size()-4096)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}},
	} {
		before := examined(t, file)[fault.check].Status
		fault.fault()
		after := examined(t, file)[fault.check]
		if before == doctor.Warn {
			require.Equal(t, doctor.OK, after.Status, fault.check)
			continue
		}
		require.Contains(t, healthy, before, fault.check)
		require.Contains(t, []store.CheckStatus{doctor.Warn, doctor.Fail}, after.Status, fault.check)
	}
}

// TestSigningKeysThatCannotBeOpenedAreFound looks with the secret, without it, and with another one.
func TestSigningKeysThatCannotBeOpenedAreFound(t *testing.T) {
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "a.db"), filepath.Join(dir, "a.db.secret")
	s, err := sqlite.Open(t.Context(), file, sqlite.Options{})
	require.NoError(t, err)
	defer s.Close()
	check := func() store.Check { return examined(t, file)["signing-keys"] }
	require.Equal(t, "none are in the database", check().Detail)
	keys, err := signing.Open(t.Context(), signing.Config{Store: s, SecretFile: secret})
	require.NoError(t, err)
	require.Equal(t, doctor.OK, check().Status)
	require.Contains(t, check().Detail, keys.List()[0].ID)

	lane, err := s.EnsureLane(t.Context(), 1, "billing", task.AnyPool, 10)
	require.NoError(t, err)
	sealed, err := keys.SealWebhooks(task.Secrets{}, task.GivenSecrets([]string{httpsig.NewWebhookSecret()}))
	require.NoError(t, err)
	settings := task.QueueSettings{Webhooks: sealed}
	require.NoError(t, s.SetSettings(t.Context(), lane.QueueID, nil, settings.Encode()))
	require.Equal(t, doctor.OK, check().Status)
	strange := task.QueueSettings{Webhooks: task.NewSecrets([]task.Secret{{Name: "whsec_sha256:x", Sealed: []byte("x")}})}
	require.NoError(t, s.SetSettings(t.Context(), lane.QueueID, settings.Encode(), strange.Encode()))
	require.Equal(t, doctor.Fail, check().Status)
	require.Contains(t, check().Detail, "billing")

	require.NoError(t, os.Rename(secret, secret+".away"))
	require.Equal(t, doctor.Fail, check().Status)
	require.Contains(t, check().Detail, "is not there")
	r, err := doctor.Examine(t.Context(), file, doctor.Options{SecretFile: secret + ".away"})
	require.NoError(t, err)
	for _, c := range r.Checks {
		require.NotContains(t, c.Detail, "is not there", c.Name)
	}
	require.NoError(t, seal.MakeFile(secret))
	require.Equal(t, doctor.Fail, check().Status)
	require.Contains(t, check().Detail, "another secret")
}

// TestACheckThatTakesLongIsLeftOut: the rest of the report is there, and nothing of it is a fault.
func TestACheckThatTakesLongIsLeftOut(t *testing.T) {
	for name, f := range both(t) {
		t.Run(name, func(t *testing.T) {
			r, err := doctor.Examine(t.Context(), f.dsn, doctor.Options{Each: time.Nanosecond})
			require.NoError(t, err)
			require.Len(t, r.Checks, len(examined(t, f.dsn)))
			for _, c := range r.Checks {
				require.Equal(t, doctor.Skip, c.Status, c.Name)
				require.Equal(t, "it takes longer than 1ns, and was left out: sendoff doctor makes it", c.Detail)
			}
		})
	}
}

// TestARepairChangesModesAlone: and the next look finds nothing to repair.
func TestARepairChangesModesAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	s, err := sqlite.Open(t.Context(), file, sqlite.Options{})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, os.Chmod(file, 0o664))
	c := examined(t, file)["file-mode"]
	require.True(t, c.Repairable)
	require.False(t, c.Repaired)
	r, err := doctor.Examine(t.Context(), file, doctor.Options{Repair: true})
	require.NoError(t, err)
	repaired := 0
	for _, c := range r.Checks {
		if c.Repaired {
			repaired++
			require.Equal(t, []any{"file-mode", doctor.OK}, []any{c.Name, c.Status})
		}
	}
	require.Equal(t, 1, repaired)
	require.Equal(t, doctor.OK, examined(t, file)["file-mode"].Status)
}

// TestWhatIsNoDatabaseOfOursIsNotLookedAt: nothing is made of it, either.
func TestWhatIsNoDatabaseOfOursIsNotLookedAt(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o600))
	for _, dsn := range []string{filepath.Join(dir, "none.db"), text, dir, testkit.EmptyPostgres(t), "postgres://127.0.0.1:1/x?connect_timeout=1"} {
		_, err := doctor.Examine(t.Context(), dsn, doctor.Options{})
		require.ErrorIs(t, err, doctor.ErrUnreachable, dsn)
	}
	require.NoFileExists(t, filepath.Join(dir, "none.db"))
}
