package host

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// Administration is what can be done with a database beside its servers.
type Administration interface {
	store.Access
	store.Audits
	store.Vault
	Queues(ctx context.Context) ([]store.Queue, error)
	SetSettings(ctx context.Context, queue int32, was, settings []byte) error
	Now() int64
	Close() error
}

// Administer opens a database, of a file or a postgres:// URL, whether servers run on it
// or not. A file that no server of this version has had is brought up to date first.
func Administer(ctx context.Context, dsn string) (Administration, error) {
	db := DB{DSN: dsn}
	if err := db.check(); err != nil {
		return nil, err
	}
	if db.Postgres() {
		return postgres.Open(ctx, dsn, postgres.Options{Logger: slog.New(slog.DiscardHandler)})
	}
	beside, err := sqlite.OpenBeside(ctx, dsn)
	if !errors.Is(err, sqlite.ErrNoTables) && !errors.Is(err, fs.ErrNotExist) {
		return beside, err
	}
	alone, err := sqlite.Open(ctx, dsn, sqlite.Options{})
	if err != nil {
		return nil, openError(err)
	}
	return alone, nil
}
