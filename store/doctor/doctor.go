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

	"github.com/sendoff-dev/sendoff/store"
)

// What a check says; see store.CheckStatus.
const (
	OK   = store.CheckOK
	Warn = store.CheckWarn
	Fail = store.CheckFail
	Skip = store.CheckSkip
)

// Options of an examination.
type Options struct {
	Repair bool          // change what can be changed safely beside a server: the modes of files
	Each   time.Duration // a check that takes longer is left out; 0 = each takes as long as it likes

	// SecretFile is the one under which the signing keys are sealed; default the SQLite file
	// with .secret added.
	SecretFile string

	MinFree int64 // bytes that the server wants free on the disk of a SQLite file; 0 = 64 MiB
}

// ErrUnreachable says that there is no database of ours to look at.
var ErrUnreachable = errors.New("the database cannot be looked at")

// finding is what a check says, before it is told from others.
type finding struct {
	status     store.CheckStatus
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
	minFree  int64
	secret   string // file of the secret; "" = not known
	before   string // said first in each transaction; "" = nothing
	held     string // a relation of the tasks that are claimed: node, id
}

// Examine looks a database over: a SQLite file, or a postgres:// URL. A check that cannot be
// made fails, and the others go on. Errors: ErrUnreachable.
func Examine(ctx context.Context, dsn string, o Options) (store.Health, error) {
	open, floor := openFile, "sqlite"
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		open, floor = openServer, "postgres"
	}
	p, tests, err := open(ctx, dsn)
	if err != nil {
		return store.Health{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer p.db.Close()
	p.repair, p.minFree = o.Repair, o.MinFree
	p.secret = o.SecretFile
	if p.secret == "" && p.path != "" {
		p.secret = p.path + ".secret"
	}
	if err := p.meet(ctx); err != nil {
		return store.Health{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	r := store.Health{At: time.Now(), Database: floor}
	for _, t := range append(tests, shared...) {
		r.Checks = append(r.Checks, t.within(ctx, p, o.Each))
	}
	return r, ctx.Err()
}

// within makes a check that is left out when it takes longer; 0 = it is not.
func (t *test) within(ctx context.Context, p *patient, atMost time.Duration) store.Check {
	if atMost == 0 {
		return t.make(ctx, p)
	}
	limited, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	c := t.make(limited, p)
	if limited.Err() != nil && ctx.Err() == nil {
		c.Status, c.Detail, c.Fix = Skip, fmt.Sprintf("it takes longer than %s, and was left out: sendoff doctor makes it", atMost), ""
	}
	return c
}

func (t *test) make(ctx context.Context, p *patient) store.Check {
	began := time.Now()
	f, err := t.run(ctx, p)
	if err != nil {
		f = finding{status: Fail, detail: "the check could not be made: " + err.Error(), fix: "see what the error says; the database may be damaged, or not allow it"}
	}
	return store.Check{
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
