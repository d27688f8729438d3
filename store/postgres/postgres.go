// Package postgres is the floor for many nodes: PostgreSQL 13 or newer through
// pgx, directly or through a pooler in transaction mode.
//
// # How writes are batched
//
// A Store has one pipeline for Settle and Claim: a batch ends all attempts that
// wait to be ended and makes all claims that wait, in one transaction and one
// round trip. A second pipeline stores new tasks; big inserts without keys go
// past it by COPY. One claiming connection a node is on purpose: with more, an
// older snapshot keeps pages from being pruned and updates stop being HOT.
//
// # What is not used
//
// No session settings, session locks or temporary tables, because none survives
// a pooler in transaction mode; migrations and LISTEN are the exceptions and take
// a direct URL (see Options.ListenDSN). What a role or the database sets as
// defaults is undone in each transaction. Named prepared statements do not
// survive it either: a connection to the server itself has them, and one to a
// pooler sends each statement with its text.
//
// # Unknown commits
//
// When a connection dies while a batch commits, nobody knows whether it did.
// The same batch is then sent again with the same ids and tokens, which make
// that harmless, and with a log record in front whose commit waits for the
// standby. A claim is not sent again: its error is returned, and Rescue hands
// the tasks back, because the node does not know the claim.
//
// Everything lives in the schema sendoff, so that the caller's own tables may
// be in the same database (see Store.In).
package postgres

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/pipeline"
)

// Options are the rarer settings of a Store. The zero value is right for
// production.
type Options struct {
	Clock     func() int64  // microseconds; for tests; nil = the database's clock
	ListenDSN string        // direct URL for LISTEN, the lease and migrations; "" = the main one
	MaxConns  int           // connections at most, besides those that listen and renew the lease; default 16, at least 2; with fewer than 6 statements wait for each other
	Logger    *slog.Logger  // nil = slog.Default()
	Migrate   bool          // bring the tables to this version first
	Deadline  time.Duration // of one try of a transaction; its connection is closed then; default 15 s
	Patience  time.Duration // how long a batch is tried again after unknown outcomes; default 30 s

	OnCommit func(rows int, took time.Duration) // after each batch of the pipelines; nil = none
}

func (o Options) withDefaults() Options {
	o.MaxConns = max(cmp.Or(o.MaxConns, 16), 2)
	o.Deadline = cmp.Or(o.Deadline, 15*time.Second)
	o.Patience = cmp.Or(o.Patience, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Store is a store.Store and store.Notifier over PostgreSQL. It is safe for
// concurrent use; whoever opened it closes it.
type Store struct {
	dsn     string
	options Options
	log     *slog.Logger
	clock   *clock
	terms   string      // of every transaction that writes
	unnamed atomic.Bool // statements have no names: see prepared

	hot   *pgxpool.Pool // everything that writes
	reads *pgxpool.Pool
	lease []*pgxpool.Pool // for the lease alone: over ListenDSN, then over the main URL

	settles *pipeline.Pipeline[*hotCall]
	inserts *pipeline.Pipeline[*insertOp]
	appends *pipeline.Pipeline[*appendCall]
	resumes *pipeline.Pipeline[*resumeCall]
	copies  chan struct{} // one slot for each COPY that may run

	timers floor // below which no timer was left

	deadlines floor // likewise, of what runs without a node
	totals    store.GateTotals

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Notifier = (*Store)(nil)
)

// Batch bounds, in tasks. Larger ones do not get cheaper for each task.
const (
	hotBatch    = 2500 // a claim counts as what it may bring, and shares its commit with settles
	insertBatch = 1000
	resumeBatch = 100 // functions: each may bring megabytes
	copyFrom    = 500 // from here on an insert goes by COPY
)

// Open connects to the database at dsn, a postgres:// URL or a keyword string.
// It fails with ErrSchema when the tables are missing or of another version.
func Open(ctx context.Context, dsn string, options Options) (*Store, error) {
	options = options.withDefaults()
	if options.Migrate {
		if err := Migrate(ctx, cmp.Or(options.ListenDSN, dsn), options.Logger); err != nil {
			return nil, err
		}
	}
	s := &Store{
		dsn: dsn, options: options, log: options.Logger, clock: &clock{test: options.Clock},
		copies: make(chan struct{}, 2), terms: terms(options.Deadline),
	}
	if err := s.openPools(ctx); err != nil {
		s.closePools()
		return nil, err
	}
	background := context.WithoutCancel(ctx) // batches belong to all their callers
	s.settles = pipeline.New(hotBatch, (*hotCall).weight, observed(s, (*hotCall).weight, func(calls []*hotCall) { s.handleHot(background, calls) }))
	s.inserts = pipeline.New(insertBatch, (*insertOp).weight, observed(s, (*insertOp).weight, func(ops []*insertOp) { s.insertAlong(background, ops) }))
	s.appends = pipeline.New(insertBatch, (*appendCall).weight, observed(s, (*appendCall).weight, func(calls []*appendCall) { s.handleAppends(background, calls) }))
	s.resumes = pipeline.New(resumeBatch, func(*resumeCall) int { return 1 }, func(calls []*resumeCall) { s.handleResumes(background, calls) })
	if err := s.start(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// observed tells Options.OnCommit of every batch.
func observed[T any](s *Store, weight func(T) int, handle func([]T)) func([]T) {
	if s.options.OnCommit == nil {
		return handle
	}
	return func(batch []T) {
		rows := 0
		for _, item := range batch {
			rows += weight(item)
		}
		started := time.Now()
		handle(batch)
		s.options.OnCommit(rows, time.Since(started))
	}
}

func (s *Store) start(ctx context.Context) error {
	if err := s.checkSchema(ctx); err != nil {
		return err
	}
	var fsync string
	if err := s.read(ctx, query(`select current_setting('fsync')`).rows(func(r *wireRow) { fsync = r.text() })); err != nil {
		return err
	}
	if fsync != "on" {
		s.log.WarnContext(ctx, "the database runs with fsync off: a crash of its machine can lose what was acknowledged")
	}
	return s.measure(ctx)
}

// measure reads the database's clock.
func (s *Store) measure(ctx context.Context) error {
	before := time.Now()
	return s.read(ctx, query(`select `+databaseClock).rows(func(r *wireRow) {
		s.clock.measured(before, time.Now(), r.i8())
	}))
}

// databaseClock is the time to judge leases by, microseconds.
const databaseClock = `(extract(epoch from clock_timestamp()) * 1000000)::int8`

// Ping writes nothing and tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.read(ctx, query("select 1")) }

// Now is the estimate of the database's clock, microseconds UTC.
func (s *Store) Now() int64 { return s.clock.now() }

// Close lets the calls under way end and closes all connections.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	s.calls.Wait()
	s.settles.Close()
	s.inserts.Close()
	s.appends.Close()
	s.resumes.Close()
	s.closePools()
	return nil
}

// enter counts a call in, so that Close waits for it.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

func closedError(err error) error {
	if errors.Is(err, pipeline.ErrClosed) {
		return store.ErrClosed
	}
	return err
}
