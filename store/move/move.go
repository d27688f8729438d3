// Package move carries everything that one database holds to the other floor: from a SQLite file
// to PostgreSQL, and back. It knows both floors, by their tables alone.
package move

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Errors of Copy, besides those that opening has.
var (
	ErrNotEmpty  = errors.New("the target holds something already")
	ErrSameFloor = errors.New("one of them is to be a SQLite file, and the other a postgres:// database")
	ErrDiffers   = errors.New("what arrived is not what was sent")
	ErrWaits     = errors.New("messages for dispatcherd wait to become tasks")
)

// Table is what was copied of a table.
type Table struct {
	Name string
	Rows int64
	Sum  string // of all its rows, in hexadecimal; the same in both databases
}

// Copied is what Copy has done.
type Copied struct {
	Tables  []Table
	Tasks   int64
	Running int64 // tasks that were being carried out: a server takes them back, as from a node that was lost
}

// left out: what there is of nodes, which stay behind, and what belongs to a database itself.
var leftOut = map[string]bool{"node": true, "node_view": true, "goose_db_version": true, "sqlite_sequence": true, "migration": true, "submission": true}

// end is a database that is read from or written to, in one transaction.
type end interface {
	shape(ctx context.Context) (map[string][]field, error)                 // its tables
	empty(ctx context.Context, table string) (bool, error)                 // but for what is there from the start, which goes
	read(ctx context.Context, table string, cs []column) (rows, error)     // all rows
	write(ctx context.Context, table string, cs []column, from rows) error // of plain values
	fence(ctx context.Context) error                                       // raise all tokens
	running(ctx context.Context) (int64, error)
}

// rows are read one after another.
type rows interface {
	next() (values []any, more bool, err error) // plain values
	close() error
}

// field is a column as one of the databases has it.
type field struct {
	name, of string
	null     bool
}

// Copy moves everything from one database to the other, which holds nothing yet, and compares
// what arrived with what was sent, row by row, before it counts. Of both, one is a SQLite file and one a
// postgres:// URL, of this version's tables. No server can work on either meanwhile, and none may when it begins. Every token in
// the target lies above those that were given out, so that no attempt of the source settles
// anything there. The source stays as it is. tell hears of each table; nil = nobody.
// Errors: ErrSameFloor, ErrNotEmpty, ErrDiffers, ErrWaits, store.ErrInUse, and those of opening a database.
func Copy(ctx context.Context, from, to string, tell func(Table)) (Copied, error) {
	if isServer(from) == isServer(to) {
		return Copied{}, ErrSameFloor
	}
	m := &mover{tell: tell}
	var err error
	if isServer(to) {
		err = withFile(ctx, from, func(source end) error {
			return withServer(ctx, to, true, func(target end) error { return m.move(ctx, source, target) })
		})
	} else {
		err = withServer(ctx, from, false, func(source end) error {
			return makeFile(ctx, to, func(ctx context.Context, target end) error { return m.move(ctx, source, target) })
		})
	}
	if err != nil {
		return Copied{}, fmt.Errorf("copy: %w", err)
	}
	return m.out, nil
}

func isServer(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

type mover struct {
	out  Copied
	tell func(Table)
}

func (m *mover) move(ctx context.Context, source, target end) error {
	tables, err := shared(ctx, source, target)
	if err != nil {
		return err
	}
	for _, t := range tables {
		free, err := target.empty(ctx, t.name)
		if err == nil && !free {
			err = fmt.Errorf("%w: table %s has rows", ErrNotEmpty, t.name)
		}
		if err != nil {
			return err
		}
	}
	for _, t := range tables {
		if err := m.table(ctx, t, source, target); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	if m.out.Running, err = target.running(ctx); err != nil {
		return err
	}
	return target.fence(ctx)
}

// table carries the rows of one over, and looks at them there.
func (m *mover) table(ctx context.Context, t table, source, target end) error {
	sent, err := source.read(ctx, t.name, t.columns)
	if err != nil {
		return err
	}
	counted := &counting{rows: sent}
	err = target.write(ctx, t.name, t.columns, counted)
	if err := errors.Join(err, sent.close()); err != nil {
		return err
	}
	there, err := target.read(ctx, t.name, t.columns)
	if err != nil {
		return err
	}
	arrived := &counting{rows: there}
	for more := true; more && err == nil; {
		_, more, err = arrived.next()
	}
	if err := errors.Join(err, there.close()); err != nil {
		return err
	}
	if counted.sum != arrived.sum {
		return fmt.Errorf("%w: %d rows with sum %s, and %d with %s", ErrDiffers, counted.sum.rows, &counted.sum, arrived.sum.rows, &arrived.sum)
	}
	done := Table{t.name, arrived.sum.rows, arrived.sum.String()}
	m.out.Tables = append(m.out.Tables, done)
	if t.name == "task" {
		m.out.Tasks = done.Rows
	}
	if m.tell != nil {
		m.tell(done)
	}
	return nil
}

// counting sums up what passes.
type counting struct {
	rows
	sum sum
}

func (c *counting) next() ([]any, bool, error) {
	row, more, err := c.rows.next()
	if more && err == nil {
		c.sum.add(row)
	}
	return row, more, err
}
