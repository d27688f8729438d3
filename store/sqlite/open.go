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
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver

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

	// MinFree is how many bytes are to be free on the disk of the file: with less, tasks are
	// refused with store.ErrFull, and everything else goes on. 0 = none; Linux only.
	MinFree int64
}

// Store is a store.Store on a SQLite file. Safe for concurrent use.
type Store struct {
	clock  func() int64
	file   *file
	failed *failure
	read   *reader
	write  *sql.DB
	w      *writer
	pipe   *pipeline.Pipeline[*op]
	stop   chan struct{} // closed by Close
	closed sync.Once
	watch  sync.WaitGroup
	totals store.GateTotals
	room   room
}

var _ store.Store = (*Store)(nil)

// Open opens the database file, creates it when it is missing, looks it over for
// damage for two seconds at most, and brings its schema up to date. Errors:
// store.ErrInUse when any process has this file open, under whatever name;
// store.ErrFull; a file that is damaged, has several names (hard links) or is no
// database; a schema newer than this program.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	s := &Store{clock: opts.Clock, failed: newFailure(), stop: make(chan struct{})}
	if s.clock == nil {
		s.clock = func() int64 { return time.Now().UnixMicro() }
	}
	s.room.path, s.room.least, s.room.start = path, opts.MinFree, time.Now()
	if err := s.open(ctx, path, opts); err != nil {
		err = s.translate(err)
		_ = s.release()
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	s.watch.Go(s.watchFile)
	return s, nil
}

func (s *Store) open(ctx context.Context, path string, opts Options) (err error) {
	if s.file, err = occupy(ctx, path); err != nil {
		return err
	}
	s.failed.file = s.file
	if s.write, err = sql.Open("sqlite", dsn(s.file.path, "_txlock=immediate")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := lookOver(ctx, s.write, 2*time.Second); err != nil {
		return err
	}
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	if s.read, err = openReader(dsn(s.file.path, "_pragma=query_only(1)")); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers) // a new one would open whatever has the name by then
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return err
	}
	if s.w, err = newWriter(conn, s, opts.OnCommit); err != nil {
		return err
	}
	// The lock is ours, so whoever registered before is gone.
	if _, err := conn.ExecContext(ctx, "delete from node; delete from share where at = 0"); err != nil {
		return err
	}
	if err := s.file.watchLog(); err != nil {
		return err
	}
	s.pipe = pipeline.New(batchWeight, func(o *op) int { return o.weight }, s.w.commit)
	return nil
}

// readers is how many reads go on at a time.
const readers = 4

// lookOver has SQLite check the file, page by page, for as long as is given; what
// it has not come to by then is trusted until it is read.
func lookOver(ctx context.Context, db *sql.DB, atMost time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	var found string
	err := db.QueryRowContext(limited, "pragma quick_check(1)").Scan(&found)
	switch {
	case err == nil && found != "ok":
		return fmt.Errorf("%w: quick_check: %s", store.ErrBroken, found)
	case err != nil && limited.Err() != nil && ctx.Err() == nil:
		return nil // out of time
	}
	return err
}

// watchFile ends the store when its file is gone, also when nothing is written.
func (s *Store) watchFile() {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			if err := s.file.inPlace(); err != nil {
				_ = s.failed.set(err)
				return
			}
		}
	}
}

// dsn names the file and the settings of every connection to it. The file is there
// by now, and no connection makes another when it is gone.
func dsn(path, extra string) string {
	sync := "FULL"
	if os.Getenv("SENDOFF_CHAOS") == "1" && os.Getenv("SENDOFF_UNSAFE_SYNCHRONOUS") != "" {
		sync = os.Getenv("SENDOFF_UNSAFE_SYNCHRONOUS") // so that the power-cut test can be shown to fail
	}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path)}
	return u.String() + "?mode=rw&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(" + sync +
		")&_pragma=wal_autocheckpoint(4000)&_pragma=journal_size_limit(67108864)&_pragma=cache_size(-65536)&_pragma=temp_store(MEMORY)&" + extra
}

// Migrations returns the migrations of this version, for tests and tools.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	return sub
}

func migrate(ctx context.Context, db *sql.DB) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, Migrations(), goose.WithDisableGlobalRegistry(true))
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
	s.closed.Do(func() { close(s.stop) })
	s.watch.Wait()
	return s.release()
}

func (s *Store) release() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.w != nil {
		if s.file.inPlace() != nil {
			errs = append(errs, s.w.part())
		}
		errs = append(errs, s.w.close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.file != nil {
		errs = append(errs, s.file.release())
	}
	return errors.Join(errs...)
}

// Broken is closed when the file can no longer be relied on: a write or sync of
// it failed, a page of it is damaged, or it was deleted, moved or replaced. From
// then on every change is refused; only a restart helps. Failure tells the cause.
func (s *Store) Broken() <-chan struct{} { return s.failed.told }

// Failure is why Broken is closed; nil while it is not. It wraps
// store.ErrBroken.
func (s *Store) Failure() error { return s.failed.err() }
