// Package doctor looks a database over, of either floor, beside the servers that use it or
// without one: whether what it says of itself agrees, and whether what it stands on is fit for
// it. It writes nothing, but for what it is asked to repair.
package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Status is how a check ended.
type Status string

// What a check says.
const (
	OK   Status = "ok"
	Warn Status = "warn" // it works, and somebody should know
	Fail Status = "fail" // tasks are lost, late or in danger
	Skip Status = "skip" // it says nothing about this database
)

// Check is what was found of one thing.
type Check struct {
	Name       string
	Status     Status
	Detail     string        // what was found
	Fix        string        // what to do about it; "" when there is nothing to do
	Repairable bool          // Options.Repair does it
	Repaired   bool          // it did
	Duration   time.Duration // that the check took
}

// Report is what was found of a database.
type Report struct {
	At       time.Time
	Database string // "sqlite" or "postgres"
	Checks   []Check
}

// Count is how many checks ended so.
func (r *Report) Count(s Status) (n int) {
	for i := range r.Checks {
		if r.Checks[i].Status == s {
			n++
		}
	}
	return n
}

// Options of an examination.
type Options struct {
	Repair bool // change what can be changed safely beside a server: the modes of files
}

// ErrUnreachable says that there is no database of ours to look at.
var ErrUnreachable = errors.New("the database cannot be looked at")

// finding is what a check says, before it is told from others.
type finding struct {
	status     Status
	detail     string
	fix        string
	repairable bool
	repaired   bool
}

func fine(format string, args ...any) finding {
	return finding{status: OK, detail: fmt.Sprintf(format, args...)}
}

func skipped(why string) finding { return finding{status: Skip, detail: why} }

// test is one check.
type test struct {
	name string
	run  func(context.Context, *patient) (finding, error)
}

// patient is a database that is looked at.
type patient struct {
	db       *sql.DB
	postgres bool
	now      int64 // by the database's clock, when it was opened; microseconds
	alive    bool  // a server has it open
	path     string
	repair   bool
	before   string // said first in each transaction; "" = nothing
	held     string // a relation of the tasks that are claimed: node, id
}

// Examine looks a database over: a SQLite file, or a postgres:// URL. A check that cannot be
// made fails, and the others go on. Errors: ErrUnreachable.
func Examine(ctx context.Context, dsn string, o Options) (Report, error) {
	open, floor := openFile, "sqlite"
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		open, floor = openServer, "postgres"
	}
	p, tests, err := open(ctx, dsn)
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer p.db.Close()
	p.repair = o.Repair
	if err := p.meet(ctx); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	r := Report{At: time.Now(), Database: floor}
	for _, t := range append(tests, shared...) {
		r.Checks = append(r.Checks, t.make(ctx, p))
	}
	return r, ctx.Err()
}

func (t *test) make(ctx context.Context, p *patient) Check {
	began := time.Now()
	f, err := t.run(ctx, p)
	if err != nil {
		f = finding{status: Fail, detail: "the check could not be made: " + err.Error(), fix: "see what the error says; the database may be damaged, or not allow it"}
	}
	return Check{
		Name: t.name, Status: f.status, Detail: f.detail, Fix: f.fix, Repairable: f.repairable, Repaired: f.repaired,
		Duration: time.Since(began),
	}
}

// meet asks what all checks need to know.
func (p *patient) meet(ctx context.Context) error {
	clock := "select cast(unixepoch('subsec') * 1000000 as integer)"
	if p.postgres {
		clock = "select (extract(epoch from clock_timestamp()) * 1000000)::int8"
	}
	return p.look(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, clock).Scan(&p.now); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, p.text(`select count(*) > 0 from node where lease_until > $now`)).Scan(&p.alive)
	})
}

// look has f see the database at one moment, and change nothing.
func (p *patient) look(ctx context.Context, f func(*sql.Tx) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if p.postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	tx, err := p.db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if p.before != "" {
		if _, err := tx.ExecContext(ctx, p.before); err != nil {
			return err
		}
	}
	return f(tx)
}

// each calls f for each row of a query.
func (p *patient) each(ctx context.Context, query string, f func(*sql.Rows) error) error {
	return p.look(ctx, func(tx *sql.Tx) error { return each(ctx, tx, p.text(query), f) })
}

func each(ctx context.Context, tx *sql.Tx, query string, f func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// text puts into a statement what differs from one patient to the other.
func (p *patient) text(query string) string {
	query = strings.ReplaceAll(query, "$now", strconv.FormatInt(p.now, 10))
	return strings.ReplaceAll(query, "$held", p.held)
}

// ask reads one value, as text; "" when there is none.
func (p *patient) ask(ctx context.Context, query string) (string, error) {
	var got sql.NullString
	err := p.look(ctx, func(tx *sql.Tx) error { return tx.QueryRowContext(ctx, p.text(query)).Scan(&got) })
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return got.String, err
}

func (p *patient) number(ctx context.Context, query string) (n int64, err error) {
	err = p.look(ctx, func(tx *sql.Tx) error { return tx.QueryRowContext(ctx, p.text(query)).Scan(&n) })
	return n, err
}
