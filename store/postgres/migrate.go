package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versionTable holds the migrations that were applied.
const versionTable = "sendoff.migration"

// ErrSchema says that the database's tables are not those of this version of
// the program.
var ErrSchema = errors.New("the database's tables are not those of this version")

// Migrations returns the migrations of this version, for tests and tools.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return sub
}

// Migrate brings the tables of the database at dsn to this version. It may run
// in several processes at once: an advisory lock of the session lets one work
// at a time, so dsn must not lead through a pooler in transaction mode.
func Migrate(ctx context.Context, dsn string, logger *slog.Logger) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("read the database URL: %w", err)
	}
	configure(config)
	config.ValidateConnect = writable
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(settle))
	defer func() { _ = db.Close() }()
	if err := makeSchema(ctx, db); err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	options := []goose.ProviderOption{
		goose.WithTableName(versionTable), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true),
	}
	if logger != nil {
		options = append(options, goose.WithSlog(logger))
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, Migrations(), options...)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// settle undoes what a role's defaults would do to migrations, which may take
// long and are read back as text.
func settle(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.PgConn().Exec(ctx, neverIdle+`;
set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0;
set default_transaction_isolation = 'read committed'; set datestyle = 'ISO'; set search_path = pg_catalog`).ReadAll()
	return err
}

// neverIdle keeps a session that waits between two statements. The setting is new
// in PostgreSQL 14.
const neverIdle = `select set_config(name, '0', false) from pg_settings where name = 'idle_session_timeout'`

// makeSchema makes the schema, unless somebody who has the right to did so
// before: "if not exists" asks for the right even when there is nothing to do.
func makeSchema(ctx context.Context, db *sql.DB) error {
	var there, ours bool
	err := db.QueryRowContext(ctx, `
select to_regnamespace('sendoff') is not null, coalesce(has_schema_privilege(to_regnamespace('sendoff'), 'create'), false)`).Scan(&there, &ours)
	switch {
	case err != nil:
		return fmt.Errorf("look for the schema: %w", err)
	case there && !ours:
		return errors.New("the schema sendoff is there, and this role may not create tables in it: " +
			"have its owner run `grant usage, create on schema sendoff to ROLE`, or migrate as the owner")
	case there:
		return nil
	}
	_, err = db.ExecContext(ctx, "create schema if not exists sendoff")
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "42501" {
		return fmt.Errorf("this role may not create the schema: have an administrator run `create schema sendoff authorization ROLE`: %w", err)
	}
	if err != nil && !isDuplicateSchema(err) {
		return fmt.Errorf("create the schema: %w", err)
	}
	return nil
}

// isDuplicateSchema tells whether two processes made the schema at the same
// moment, which "if not exists" does not rule out.
func isDuplicateSchema(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == "42P06" || pgErr.Code == "23505")
}

// checkSchema refuses tables that this version does not know.
func (s *Store) checkSchema(ctx context.Context) error {
	want, err := latestMigration()
	if err != nil {
		return err
	}
	var have int64
	read := query(`select coalesce(max(version_id), 0)::int8 from ` + versionTable + ` where is_applied`).
		rows(func(r *wireRow) { have = r.i8() })
	err = s.read(ctx, read)
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && (pgErr.Code == "42P01" || pgErr.Code == "3F000") {
		return fmt.Errorf("%w: there are none yet; run `sendoff migrate` first", ErrSchema)
	}
	switch {
	case err != nil:
		return fmt.Errorf("read the schema's version: %w", err)
	case have < want:
		return fmt.Errorf("%w: they are at %d, it needs %d; run `sendoff migrate` first", ErrSchema, have, want)
	case have > want+1: // the tables of the next release are usable by this one
		return fmt.Errorf("%w: they are at %d, it knows up to %d; run a newer sendoff (`sendoff migrate` cannot go back)", ErrSchema, have, want)
	}
	return nil
}

func latestMigration() (int64, error) {
	files, err := fs.Glob(Migrations(), "*.sql")
	if err != nil {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	var latest int64
	for _, name := range files {
		v, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("migration %s: %w", name, err)
		}
		latest = max(latest, v)
	}
	return latest, nil
}
