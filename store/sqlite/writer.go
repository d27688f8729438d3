package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
	"modernc.org/sqlite"
)

// op is one step that waits for the writer. run may be called twice: when a
// batch fails, it is rolled back and its steps are done one by one.
type op struct {
	rank   int // settles before claims before inserts before the rest
	weight int
	alone  bool // makes its own transaction
	run    func(w *writer) error
	err    error
}

const (
	rankSettle = iota
	rankClaim
	rankInsert
	rankRide // a claim that rides: it takes what the steps before it make ready
	rankOther
	rankAlone
)

// writer owns the writing connection. Only the pipeline's goroutine uses it.
type writer struct {
	conn     *sql.Conn
	clock    func() int64
	onCommit func(rows int, took time.Duration)
	stmts    map[string]*sql.Stmt
	now      int64               // of the transaction
	last     int64               // position given out last
	newest   int64               // row number of the newest task that is listed, or was there when the transaction began
	unlisted bool                // it has inserted tasks that are ready and not in ready yet
	waiting  map[task.ID]bool    // tasks that it has inserted and that are not ready
	lined    map[store.Hash]bool // gates at which somebody was in line when it was last looked
	counts   store.GateCounts    // of the transaction
	totals   *store.GateTotals
	failed   *failure
	file     *file
}

// Statements of the writer run without a deadline: a commit is never cut off.
var background = context.Background()

func newWriter(conn *sql.Conn, s *Store, onCommit func(int, time.Duration)) (*writer, error) {
	if onCommit == nil {
		onCommit = func(int, time.Duration) {}
	}
	w := &writer{conn: conn, clock: s.clock, onCommit: onCommit, stmts: map[string]*sql.Stmt{}, waiting: map[task.ID]bool{}, lined: map[store.Hash]bool{}, totals: &s.totals, failed: s.failed, file: s.file}
	err := conn.QueryRowContext(background, "select coalesce(max(pos), 0) from ready").Scan(&w.last)
	return w, err
}

// part leaves nothing in the log for whatever has the name of the file by now:
// all of it goes into the file that it belongs to, wherever that is. SQLite would
// keep the log of a file that has moved, and play it into the next one; and it
// would delete a log by its name, under which another may lie.
func (w *writer) part() error {
	var busy, logged, moved int
	err := w.conn.QueryRowContext(background, "pragma wal_checkpoint(truncate)").Scan(&busy, &logged, &moved)
	return errors.Join(err, w.conn.Raw(func(conn any) error {
		_, err := conn.(sqlite.FileControl).FileControlPersistWAL("main", 1)
		return err
	}))
}

func (w *writer) close() error {
	for _, s := range w.stmts {
		s.Close()
	}
	return w.conn.Close()
}

// commit carries out a batch in one transaction.
func (w *writer) commit(batch []*op) {
	slices.SortStableFunc(batch, func(a, b *op) int { return a.rank - b.rank })
	for len(batch) > 0 && batch[len(batch)-1].alone {
		o := batch[len(batch)-1]
		batch = batch[:len(batch)-1]
		defer func() { o.err = o.run(w) }()
	}
	w.together(batch)
}

// together shares one transaction among the steps. When one of them fails, all
// are rolled back and done one by one, so that it fails alone.
func (w *writer) together(batch []*op) {
	if len(batch) == 0 {
		return
	}
	started, rows := time.Now(), 0
	for _, o := range batch {
		rows += o.weight
	}
	defer func() { w.onCommit(rows, time.Since(started)) }()
	err := w.transact(func() error { return w.runAll(batch) })
	if err == nil || len(batch) == 1 {
		for _, o := range batch {
			o.err = err
		}
		return
	}
	for _, o := range batch {
		o.err = w.transact(func() error { return w.runAll([]*op{o}) })
	}
}

func (w *writer) runAll(batch []*op) error {
	for _, o := range batch {
		if o.rank > rankInsert {
			if err := w.listNew(); err != nil {
				return err
			}
		}
		if err := o.run(w); err != nil {
			return err
		}
	}
	return w.listNew()
}

// transact does fn in a transaction, of which nothing is said before the commit
// is synced, to a file that is still in its place. After a failure that is final
// it refuses everything.
func (w *writer) transact(fn func() error) error {
	return w.guarded(func() error {
		w.now, w.counts = w.clock(), store.GateCounts{}
		if err := w.exec("begin immediate"); err != nil {
			return err
		}
		err := w.mark()
		if err == nil {
			err = fn()
		}
		if err == nil {
			err = w.exec("commit")
		}
		if err != nil {
			_ = w.exec("rollback") // fails when SQLite has rolled back already
			return err
		}
		w.totals.Add(&w.counts)
		return nil
	})
}

// guarded does a transaction unless the file has failed, and tells whether what
// it wrote can be relied on.
func (w *writer) guarded(transaction func() error) error {
	if err := w.failed.err(); err != nil {
		return err
	}
	if err := transaction(); err != nil {
		return w.failed.judge(err)
	}
	if err := w.file.inPlace(); err != nil {
		return w.failed.set(err)
	}
	return nil
}

// nextPosition is the position to give out next: the time, strictly rising.
func (w *writer) nextPosition() int64 { return max(w.now, w.last+1) }

// position gives out the next position.
func (w *writer) position() int64 {
	w.last = w.nextPosition()
	return w.last
}

func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if s := w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(background, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	w.stmts[query] = s
	return s, nil
}

func (w *writer) exec(query string, args ...any) error {
	_, err := w.changed(query, args...)
	return err
}

// changed runs a statement and returns how many rows it changed.
func (w *writer) changed(query string, args ...any) (int64, error) {
	s, err := w.stmt(query) //nolint:sqlclosecheck // kept by the writer
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(background, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// query calls scan for each row of the answer.
func (w *writer) query(scan func(*sql.Rows) error, query string, args ...any) error {
	s, err := w.stmt(query) //nolint:sqlclosecheck // kept by the writer
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(background, args...)
	if err != nil {
		return err
	}
	return each(rows, scan)
}

func each(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// do puts a step into the next transaction and waits for its commit. When it fails,
// ctx may have ended and the writer still be at the step: then nothing may be read, nor
// be named as a result, that the step writes.
func (s *Store) do(ctx context.Context, rank, weight int, run func(w *writer) error) error {
	return s.ride(ctx, nil, rank, weight, run)
}

// ride is do of a step that begins no transaction before alight is closed; nil = at once.
func (s *Store) ride(ctx context.Context, alight <-chan struct{}, rank, weight int, run func(w *writer) error) error {
	var audit *store.Audit
	if rank == rankOther {
		audit = store.AuditOf(ctx)
	}
	o := &op{rank: rank, weight: weight, run: audited(audit, run)}
	if err := s.pipe.Ride(ctx, o, alight); err != nil {
		return s.translate(err)
	}
	if o.err == nil {
		audit.Done()
	}
	return s.translate(o.err)
}

// woken collects what a step made ready; it is empty again when a step is run
// a second time.
type woken struct{ list []store.Woken }

func (k *woken) add(lane int32, prio int16, pos int64) {
	k.list = store.Collect(k.list, store.Woken{Lane: lane, Priority: prio, Position: pos})
}

// one reads a single row.
func (w *writer) one(query string, args []any, dest ...any) error {
	s, err := w.stmt(query) //nolint:sqlclosecheck // kept by the writer
	if err != nil {
		return err
	}
	return s.QueryRowContext(background, args...).Scan(dest...)
}
