package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/doctor"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// DB is where tasks are kept.
type DB struct {
	DSN       string `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE|URL" help:"SQLite file, or postgres:// URL."`
	ListenDSN string `name:"listen-dsn" env:"SENDOFF_LISTEN_DSN" placeholder:"URL" help:"Direct postgres:// URL for LISTEN and migrations, when --db leads through a pooler."`
	MinFree   Size   `name:"min-free" default:"64MB" env:"SENDOFF_MIN_FREE" placeholder:"SIZE" help:"Room on the disk of a SQLite file that is left for what was accepted: with less, submissions are refused. 0: none. Linux."`
	Migrate   bool   `env:"SENDOFF_MIGRATE" help:"Bring a PostgreSQL database to this version first. SQLite files are always."`
}

// Postgres tells whether the database is a PostgreSQL one.
func (d *DB) Postgres() bool {
	return strings.HasPrefix(d.DSN, "postgres://") || strings.HasPrefix(d.DSN, "postgresql://")
}

func (d *DB) check() error {
	switch {
	case d.ListenDSN != "" && !d.Postgres():
		return term.Usage("--listen-dsn belongs to a postgres:// database, and --db is %s", d.DSN)
	case strings.Contains(d.DSN, "://") && !d.Postgres():
		return term.Usage("--db %s: want a file path or a postgres:// URL", Redacted(d.DSN))
	}
	return nil
}

// missing tells whether it is a file that is not there yet.
func (d *DB) missing() bool {
	_, err := os.Stat(d.DSN)
	return !d.Postgres() && errors.Is(err, fs.ErrNotExist)
}

func (d *DB) open(ctx context.Context, m *engine.Metrics, log *slog.Logger) (store.Store, error) {
	if d.Postgres() {
		return postgres.Open(ctx, d.DSN, postgres.Options{ListenDSN: d.ListenDSN, Migrate: d.Migrate, Logger: log, OnCommit: m.Commit})
	}
	return sqlite.Open(ctx, d.DSN, sqlite.Options{OnCommit: m.Commit, MinFree: int64(d.MinFree)})
}

// checkTakes is what a check may take that is made beside the work of a server.
const checkTakes = 250 * time.Millisecond

// examine looks the database over beside the server that has it open.
func (s *Settings) examine(ctx context.Context) (store.Health, error) {
	return doctor.Examine(ctx, s.DB.DSN, doctor.Options{Each: checkTakes, MinFree: int64(s.DB.MinFree), SecretFile: s.SecretPath()})
}

// Redacted hides the password of a URL.
func Redacted(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "(a URL that cannot be read)"
	}
	if u.Scheme == "" {
		return dsn
	}
	q := u.Query()
	if q.Has("password") {
		q.Set("password", "xxxxx")
		u.RawQuery = q.Encode()
	}
	return u.Redacted()
}

// openError adds the fix to an error of opening the database.
func openError(err error) error {
	switch {
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("%w\nstop the other server, or give this one a file of its own with --db FILE; several servers share a database with --db postgres://HOST/NAME", err)
	case errors.Is(err, store.ErrBroken):
		return fmt.Errorf("%w\nrestore a backup of the file, or see docs/operations.md for how to save what can be read", err)
	}
	return err
}
