package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Held is a database file that no server can open, to read it as a whole.
type Held struct {
	DB   *sql.DB // one connection, which writes nothing
	file *file
}

// Hold keeps servers away from the database file at path until Close. Errors: fs.ErrNotExist,
// ErrNotOurs, ErrNoTables, store.ErrInUse.
func Hold(ctx context.Context, path string) (*Held, error) {
	h := &Held{}
	err := h.hold(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, errors.Join(translate(err), h.Close()))
	}
	return h, nil
}

func (h *Held) hold(ctx context.Context, path string) (err error) {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	if h.file, err = occupy(ctx, path); err != nil {
		return err
	}
	if h.DB, err = OpenToRead(ctx, h.file.path); err != nil {
		return err
	}
	return sameTables(ctx, h.DB)
}

// Close lets go of the file.
func (h *Held) Close() error {
	var errs []error
	if h.DB != nil {
		errs = append(errs, h.DB.Close())
	}
	if h.file != nil {
		errs = append(errs, h.file.release())
	}
	return errors.Join(errs...)
}

// Make makes a database file at path with the tables of this version, and has fill fill it in
// one transaction; it gets its name when it is whole and on disk, and whatever fails, there is
// none of that name. Errors: ErrExists, store.ErrInUse, store.ErrFull.
func Make(ctx context.Context, path string, fill func(context.Context, *sql.Tx) error) error {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return fmt.Errorf("make database %s: %w", path, err)
	}
	defer func() { _ = lock.Close() }()
	for _, there := range []string{path, path + "-wal"} {
		if _, err := os.Lstat(there); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%w: %s", ErrExists, there), err)
		}
	}
	err = beside(path, func(temp string) (err error) {
		db, err := sql.Open("sqlite", dsn(temp, ""))
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
		if err := fill(ctx, tx); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, `pragma journal_mode = delete`) // back into one file
		return err
	})
	if err != nil {
		return fmt.Errorf("make database %s: %w", path, translate(err))
	}
	return nil
}
