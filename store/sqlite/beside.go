package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/pipeline"
)

// Administration is what can be done with a database beside the server that has it open:
// nothing of it concerns tasks, of which that server knows more than the file.
type Administration interface {
	store.Access
	store.Audits
	store.Vault
	Queues(ctx context.Context) ([]store.Queue, error)
	SetSettings(ctx context.Context, queue int32, was, settings []byte) error
	Now() int64
	Close() error
}

// ErrNoTables says that a file has not the tables of this version.
var ErrNoTables = errors.New("the file has not the tables of this version")

// OpenBeside opens a database file that a server of this version has open, or had: it takes
// no lock, makes no file and changes no tables. Errors: fs.ErrNotExist, ErrNoTables.
func OpenBeside(ctx context.Context, path string) (Administration, error) {
	real, err := filepath.EvalSymlinks(path) // the log beside it is found by the name
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	if is, err := os.Stat(real); err != nil || is.Size() == 0 {
		return nil, fmt.Errorf("open database %s: %w", path, errors.Join(err, ErrNoTables))
	}
	s := &Store{clock: func() int64 { return time.Now().UnixMicro() }, failed: newFailure(), stop: make(chan struct{}), file: &file{path: real}}
	s.failed.file = s.file
	if err := s.joinIn(ctx); err != nil {
		err = s.translate(err)
		_ = s.release()
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return s, nil
}

// joinIn opens connections to a file that may be in use.
func (s *Store) joinIn(ctx context.Context) (err error) {
	if s.write, err = sql.Open("sqlite", dsn(s.file.path, "_txlock=immediate")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := sameTables(ctx, s.write); err != nil {
		return err
	}
	if s.read, err = openReader(dsn(s.file.path, "_pragma=query_only(1)")); err != nil {
		return err
	}
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	if s.w, err = newWriter(conn, s, nil); err != nil {
		return err
	}
	s.pipe = pipeline.New(batchWeight, func(o *op) int { return o.weight }, s.w.commit)
	return nil
}

// newestApplied is the version of the tables of a file.
const newestApplied = `select coalesce(max(version_id), 0) from goose_db_version where is_applied`

// sameTables tells whether the file has the tables of this version.
func sameTables(ctx context.Context, db *sql.DB) error {
	all, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var newest, have int64
	if _, err := fmt.Sscanf(filepath.Base(all[len(all)-1]), "%d_", &newest); err != nil {
		return err
	}
	err = db.QueryRowContext(ctx, newestApplied).Scan(&have)
	if err != nil || have != newest {
		return fmt.Errorf("%w: they are at %d, it knows %d", ErrNoTables, have, newest)
	}
	return nil
}
