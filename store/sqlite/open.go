package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/pipeline"
)

//go:embed migrations/*.sql
var migrations embed.FS

// batchWeight is how many rows one transaction may touch: enough for the sync
// to be cheap, few enough that nobody waits long.
const batchWeight = 4000

// Options of a store. The zero value is ready for use.
type Options struct {
	Clock    func() int64                       // microseconds UTC; nil = the clock of this machine
	OnCommit func(rows int, took time.Duration) // after each write transaction; nil = none
}

// Store is a store.Store on a SQLite file. Safe for concurrent use.
type Store struct {
	clock func() int64
	lock  *os.File
	read  *sql.DB
	write *sql.DB
	w     *writer
	pipe  *pipeline.Pipeline[*op]
}

var _ store.Store = (*Store)(nil)

// Open opens the database file, creates it when it is missing and brings its
// schema up to date. Errors: store.ErrInUse, a schema newer than this program,
// a file that is no database.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	s := &Store{clock: opts.Clock}
	if s.clock == nil {
		s.clock = func() int64 { return time.Now().UnixMicro() }
	}
	if err := s.open(ctx, path, opts); err != nil {
		s.release()
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string, opts Options) (err error) {
	if s.lock, err = waitForLock(ctx, path+".lock"); err != nil {
		return err
	}
	if err := createPrivate(path); err != nil {
		return err
	}
	if s.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", dsn(path, "_pragma=query_only(1)")); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(4)
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	if s.w, err = newWriter(conn, s.clock, opts.OnCommit); err != nil {
		return err
	}
	// The lock is ours, so whoever registered before is gone.
	if _, err := conn.ExecContext(ctx, "delete from node"); err != nil {
		return err
	}
	s.pipe = pipeline.New(batchWeight, func(o *op) int { return o.weight }, s.w.commit)
	return nil
}

// waitForLock takes the lock, and gives a process that is just being killed two
// seconds to let go of it.
func waitForLock(ctx context.Context, path string) (f *os.File, err error) {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if f, err = lockFile(path); !errors.Is(err, store.ErrInUse) || time.Now().After(deadline) || ctx.Err() != nil {
			return f, err
		}
	}
}

// dsn names the file and the settings of every connection to it.
func dsn(path, extra string) string {
	sync := "FULL"
	if os.Getenv("SENDOFF_CHAOS") == "1" && os.Getenv("SENDOFF_UNSAFE_SYNCHRONOUS") != "" {
		sync = os.Getenv("SENDOFF_UNSAFE_SYNCHRONOUS") // so that the power-cut test can be shown to fail
	}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path)}
	return u.String() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(" + sync +
		")&_pragma=wal_autocheckpoint(4000)&_pragma=journal_size_limit(67108864)&_pragma=cache_size(-65536)&_pragma=temp_store(MEMORY)&" + extra
}

func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("its schema is at version %d, this program knows %d: use a newer sendoff", current, target)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Now is the clock of this machine, or the one given to Open.
func (s *Store) Now() int64 { return s.clock() }

// Ping takes a turn of the writer, so that a disk which hangs or has failed is
// seen.
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, rankOther, 1, func(*writer) error { return nil })
}

// Close finishes what waits, checkpoints and releases the file.
func (s *Store) Close() error {
	s.pipe.Close()
	return s.release()
}

func (s *Store) release() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.w != nil {
		errs = append(errs, s.w.close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Broken is closed when a write or sync of the file has failed. From then on
// every change is refused; only a restart helps.
func (s *Store) Broken() <-chan struct{} { return s.w.broken }

// isIOError tells whether SQLite could not write, sync or trust the file.
func isIOError(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == 10 || e.Code()&0xff == 11) // SQLITE_IOERR, SQLITE_CORRUPT
}

// translate turns errors of the driver into errors of package store.
func translate(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case 18, 20, 25: // SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_RANGE
			return fmt.Errorf("%w: %w", store.ErrBadValue, err)
		}
	}
	if errors.Is(err, pipeline.ErrClosed) {
		return store.ErrClosed
	}
	return err
}
