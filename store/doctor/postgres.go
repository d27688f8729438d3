package doctor

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sendoff-dev/sendoff/store/postgres"
)

// openServer connects to a PostgreSQL database, through a pooler or not.
func openServer(ctx context.Context, dsn string) (*patient, []test, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, nil, fmt.Errorf("read the database URL: %w", err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // a pooler keeps nothing for us
	config.ConnectTimeout = min(config.ConnectTimeout, 10*time.Second)
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(1)
	p := &patient{db: db, postgres: true, held: `select node, unnest(ids) as id from claim`}
	p.before = `set local search_path = sendoff, pg_catalog`
	there, err := p.number(ctx, `select (to_regclass('sendoff.task') is not null and to_regclass('sendoff.migration') is not null)::int`)
	if err == nil && there == 0 {
		err = fmt.Errorf("there are no tables of ours yet: run `sendoff migrate` first")
	}
	if err != nil {
		_ = db.Close()
		return nil, nil, err
	}
	return p, ofServer, nil
}

// ofServer are the checks of PostgreSQL databases.
var ofServer = []test{
	{"schema", func(ctx context.Context, p *patient) (finding, error) {
		return p.schema(ctx, postgres.Migrations(), `select coalesce(max(version_id), 0) from migration where is_applied`, "run sendoff migrate")
	}},
	{"server-version", func(ctx context.Context, p *patient) (finding, error) {
		n, err := p.number(ctx, `select current_setting('server_version_num')::int8`)
		if err == nil && n < 130000 {
			return finding{status: Fail, detail: fmt.Sprintf("PostgreSQL %d", n/10000), fix: "use 13 or newer"}, nil
		}
		return fine("PostgreSQL %d", n/10000), err
	}},
	setting("fsync", "on", "set it on: an outage of power can lose everything"),
	setting("full_page_writes", "on", "set it on, unless the disk writes whole pages"),
	setting("server_encoding", "UTF8", "make a database with encoding 'UTF8'"),
	setting("autovacuum", "on", "set it on: claims become slow without it"),
	{"writable", func(ctx context.Context, p *patient) (finding, error) {
		return p.expect(ctx, `select case when pg_is_in_recovery() then 'a standby' else current_setting('default_transaction_read_only') end`,
			"default_transaction_read_only", "off", Fail, "connect to the primary, and allow the role to write")
	}},
	{"synchronous-commit", func(ctx context.Context, p *patient) (finding, error) {
		got, err := p.ask(ctx, `select current_setting('synchronous_commit')`)
		if err == nil && got == "off" {
			return finding{status: Warn, detail: "it is off; sendoff sets it on in its own transactions, yours with SubmitTx do not", fix: "alter role ... reset synchronous_commit"}, nil
		}
		return fine("it is %s", got), err
	}},
	{"standby", standby},
	none("rights", Fail, `select c.relname || ': ' || r.name from (values ('select'), ('insert'), ('update'), ('delete')) r(name)
 cross join pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'sendoff' and c.relkind = 'r' and c.relname <> 'migration' and not has_table_privilege(c.oid, r.name)`,
		"rights on tables are missing", "grant select, insert, update, delete on all tables in schema sendoff to the role of --db"),
	none("indexes", Fail, `select i.indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'sendoff' and not (i.indisvalid and i.indisready)`,
		"indexes are not valid", "reindex them: reindex index concurrently NAME"),
	none("triggers", Warn, `select c.relname || '.' || t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = 'sendoff' and not t.tgisinternal`,
		"triggers are on tables of sendoff", "drop them: what they do is part of each transaction, and nobody tests it"),
	none("old-transactions", Warn, `select coalesce(usename, '') || ', pid ' || pid || ', ' || coalesce(application_name, '') from pg_stat_activity
 where backend_type = 'client backend' and pid <> pg_backend_pid() and xact_start < clock_timestamp() - interval '10 minutes'`,
		"transactions have been open for more than 10 minutes, and keep rows that are gone", "end them: select pg_terminate_backend(PID)"),
	{"connections", connections},
	{"wraparound", func(ctx context.Context, p *patient) (finding, error) {
		age, err := p.number(ctx, `select age(datfrozenxid)::int8 from pg_database where datname = current_database()`)
		if err == nil && age > 1_000_000_000 {
			return finding{status: Fail, detail: fmt.Sprintf("the oldest transaction is %d behind", age), fix: "vacuum freeze the database, and see why autovacuum does not"}, nil
		}
		return fine("the oldest transaction is %d behind", age), err
	}},
	{"clock", func(_ context.Context, p *patient) (finding, error) {
		off := time.Since(time.UnixMicro(p.now)).Abs().Round(time.Millisecond)
		if off > 30*time.Second {
			return finding{status: Warn, detail: fmt.Sprintf("this machine is %s from the database", off), fix: "set the clocks by NTP: apps refuse signatures that are minutes off"}, nil
		}
		return fine("within 30s of the database"), nil
	}},
}

// setting is a check of a setting of the server.
func setting(name, want, fix string) test {
	return test{name, func(ctx context.Context, p *patient) (finding, error) {
		return p.expect(ctx, "select current_setting('"+name+"')", name, want, Fail, fix)
	}}
}

// standby: who names synchronous standbys waits for them with each commit.
func standby(ctx context.Context, p *patient) (finding, error) {
	names, err := p.ask(ctx, `select current_setting('synchronous_standby_names')`)
	if err != nil || names == "" {
		return skipped("no synchronous standby is asked for"), err
	}
	n, err := p.number(ctx, `select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum')`)
	if err == nil && n == 0 {
		return finding{status: Fail, detail: "synchronous_standby_names is " + names + ", and none is connected: commits wait", fix: "start the standby, or take it out of synchronous_standby_names"}, nil
	}
	return fine("%d connected", n), err
}

func connections(ctx context.Context, p *patient) (finding, error) {
	var used, most int64
	err := p.look(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `select (select count(*) from pg_stat_activity where backend_type = 'client backend'),
 current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8`).Scan(&used, &most)
	})
	f := fine("%d of %d are used", used, most)
	if used*10 > most*9 {
		f.status, f.fix = Warn, "raise max_connections, or put a pooler in between: a node uses up to 16"
	}
	return f, err
}
