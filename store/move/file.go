package move

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// file is a SQLite file.
type file struct{ tx *sql.Tx }

func withFile(ctx context.Context, path string, do func(end) error) (err error) {
	held, err := sqlite.Hold(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	tx, err := held.DB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return do(&file{tx})
}

func makeFile(ctx context.Context, path string, do func(context.Context, end) error) error {
	return sqlite.Make(ctx, path, func(ctx context.Context, tx *sql.Tx) error { return do(ctx, &file{tx}) })
}

func (f *file) shape(ctx context.Context) (map[string][]field, error) {
	found, err := f.tx.QueryContext(ctx, `select m.name, p.name, p.type, p."notnull" = 0 and p.pk = 0
		from sqlite_schema m join pragma_table_info(m.name) p where m.type = 'table' order by m.name, p.cid`)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	tables := map[string][]field{}
	for found.Next() {
		var name string
		var c field
		if err := found.Scan(&name, &c.name, &c.of, &c.null); err != nil {
			return nil, err
		}
		tables[name] = append(tables[name], c)
	}
	return tables, found.Err()
}

func (f *file) empty(ctx context.Context, table string) (bool, error) {
	if clear := initial[table]; clear != "" {
		if _, err := f.tx.ExecContext(ctx, clear); err != nil {
			return false, err
		}
	}
	there := true
	err := f.tx.QueryRowContext(ctx, `select exists (select 1 from `+table+except(table)+`)`).Scan(&there)
	return !there, err
}

// initial takes away what a new database has.
var initial = map[string]string{"namespace": `delete from namespace where id = 1 and created_at = 0 and rev = 1`}

// except leaves out the rows of a table that are of the database itself.
func except(table string) string {
	if table == "meta" {
		return ` where name <> 'incarnation'`
	}
	return ""
}

func (f *file) read(ctx context.Context, table string, cs []column) (rows, error) {
	found, err := f.tx.QueryContext(ctx, `select `+listed(cs, func(c *column) string { return c.lite })+` from `+table+except(table)) //nolint:rowserrcheck // next does
	if err != nil {
		return nil, err
	}
	return &fileRows{found, cs}, nil
}

// listed are quoted names, after each other.
func listed(cs []column, name func(*column) string) string {
	names := make([]string, len(cs))
	for i := range cs {
		names[i] = `"` + name(&cs[i]) + `"`
	}
	return strings.Join(names, ", ")
}

type fileRows struct {
	found *sql.Rows
	cs    []column
}

func (r *fileRows) next() ([]any, bool, error) {
	if !r.found.Next() {
		return nil, false, r.found.Err()
	}
	row, into := make([]any, len(r.cs)), make([]any, len(r.cs))
	for i := range row {
		into[i] = &row[i]
	}
	if err := r.found.Scan(into...); err != nil {
		return nil, false, err
	}
	return row, true, allPlain(row, r.cs)
}

func (r *fileRows) close() error { return r.found.Close() }

// allPlain makes the values of a row plain ones.
func allPlain(row []any, cs []column) (err error) {
	for i := range row {
		if row[i], err = cs[i].plain(row[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) write(ctx context.Context, table string, cs []column, from rows) error {
	insert, err := f.tx.PrepareContext(ctx, `insert into `+table+` (`+listed(cs, func(c *column) string { return c.lite })+`) values (?`+strings.Repeat(", ?", len(cs)-1)+`)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for {
		row, more, err := from.next()
		if err != nil || !more {
			return err
		}
		values := make([]any, len(row)) // the row is not ours
		for i := range row {
			values[i] = cs[i].light(row[i])
		}
		if _, err := insert.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
}

// fences raise every token. The last attempt of a task that succeeded is told by its token.
var fences = []string{
	words.SQL(fmt.Sprintf(`update attempt set token = token + %d where (task, token) in (select id, token from task where state = :succeeded)`, store.TokensLater)),
	fmt.Sprintf(`update task set token = token + %d`, store.TokensLater),
}

const countRunning = `select count(*) from task where state = :running`

func (f *file) running(ctx context.Context) (n int64, err error) {
	err = f.tx.QueryRowContext(ctx, words.SQL(countRunning)).Scan(&n)
	return n, err
}

func (f *file) fence(ctx context.Context) error {
	for _, stmt := range fences {
		if _, err := f.tx.ExecContext(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}
