package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Restored is a database that was made from a copy.
type Restored struct {
	Copied
	Epoch   int64    // how often what it holds was restored
	InDoubt []string // tasks that were being carried out when the copy was made: public ids, in order of their submission
}

// Restore makes a database file at path from a copy, which stays as it is. The copy is
// checked and brought to the tables of this version. In the new file every token lies above
// any that was given out before, so that no attempt of the old one can settle anything or pass
// for a newer one, and every namespace is paused: nothing runs until [ResumeRestored], for
// what has ended since the copy was made would run again. Errors: fs.ErrNotExist, ErrExists,
// ErrNotOurs, store.ErrInUse, store.ErrBroken, store.ErrFull; a schema newer than this program.
func Restore(ctx context.Context, from, path string) (Restored, error) {
	var r Restored
	err := r.restore(ctx, from, path)
	if err != nil {
		return Restored{}, fmt.Errorf("restore %s to %s: %w", from, path, translate(err))
	}
	return r, nil
}

func (r *Restored) restore(ctx context.Context, from, path string) error {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	for _, there := range []string{path, path + "-wal"} {
		if _, err := os.Lstat(there); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%w: %s", ErrExists, there), err)
		}
	}
	return beside(path, func(temp string) error {
		if err := checked(ctx, from); err != nil {
			return err
		}
		if err := vacuumInto(ctx, from, temp); err != nil {
			return err
		}
		if err := r.change(ctx, temp); err != nil {
			return err
		}
		return look(ctx, temp, &r.Copied)
	})
}

func checked(ctx context.Context, path string) error {
	db, err := OpenToRead(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	return whole(ctx, db)
}

// change makes of a copy what may be served.
func (r *Restored) change(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", dsn(path, ""))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := errors.Join(r.doubts(ctx, tx), r.count(ctx, tx), setApart(ctx, tx)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	// Back into one file.
	_, err = db.ExecContext(ctx, `pragma journal_mode = delete`)
	return err
}

// doubts lists what was being carried out.
func (r *Restored) doubts(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, words.SQL(`select id, spec from task where state = :running order by id`))
	if err != nil {
		return err
	}
	return each(rows, func(row *sql.Rows) error {
		var id, spec []byte
		if err := row.Scan(&id, &spec); err != nil {
			return err
		}
		public := task.ID(id).String()
		if s, err := task.DecodeSpec(spec); err == nil {
			public = s.PublicID(task.ID(id))
		}
		r.InDoubt = append(r.InDoubt, public)
		return nil
	})
}

// count counts the restores.
func (r *Restored) count(ctx context.Context, tx *sql.Tx) error {
	return tx.QueryRowContext(ctx, `insert into meta (name, value) values ('epoch', '1')
		on conflict (name) do update set value = cast(cast(value as integer) + 1 as text) returning cast(value as integer)`).Scan(&r.Epoch)
}

// setApart has nothing of it be taken for the database that the copy was made of, and
// nothing run. The last attempt of a task that succeeded is told by its token.
func setApart(ctx context.Context, tx *sql.Tx) error {
	now := time.Now().UnixMicro()
	for _, stmt := range []struct {
		sql    string
		values []any
	}{
		{words.SQL(`update attempt set token = token + ? where (task, token) in (select id, token from task where state = :succeeded)`), []any{store.TokensLater}},
		{`update task set token = token + ?`, []any{store.TokensLater}},
		{`update namespace set paused_at = ? where paused_at = 0`, []any{now}},
		{`insert or replace into meta (name, value) values ('restored_at', ?)`, []any{strconv.FormatInt(now, 10)}},
		{`update meta set value = lower(hex(randomblob(?))) where name = 'incarnation'`, []any{16}},
	} {
		if _, err := tx.ExecContext(ctx, stmt.sql, stmt.values...); err != nil {
			return err
		}
	}
	return nil
}

// ResumeRestored has what a restore has paused go on, beside a server or without one, and
// tells in how many namespaces that was; those that were paused before, or by hand since, stay
// so. Errors: fs.ErrNotExist, ErrNotOurs, ErrNoTables.
func ResumeRestored(ctx context.Context, path string) (namespaces int64, err error) {
	db, err := OpenToRead(ctx, path)
	if err != nil {
		return 0, fmt.Errorf("open database %s: %w", path, translate(err))
	}
	if err := db.Close(); err != nil {
		return 0, err
	}
	a, err := OpenBeside(ctx, path)
	if err != nil {
		return 0, err
	}
	s := a.(*Store)
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.do(ctx, rankOther, 1, func(w *writer) error {
		n, err := w.changed(`update namespace set paused_at = 0
			where paused_at > 0 and paused_at = (select cast(value as integer) from meta where name = 'restored_at')`)
		namespaces = n
		return errors.Join(err, w.exec(`delete from meta where name = 'restored_at'`))
	})
	return namespaces, err
}

// translate turns errors about a file that no store has open into those of package store.
func translate(err error) error {
	switch {
	case isFull(err):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case isDamage(err) && !errors.Is(err, ErrNotOurs):
		return fmt.Errorf("%w: %w", store.ErrBroken, err)
	}
	return err
}
