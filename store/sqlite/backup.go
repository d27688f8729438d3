package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/sendoff-dev/sendoff/store"
)

// Copied is a copy of a database file.
type Copied struct {
	Bytes  int64
	Tasks  int64
	Schema int64  // version of its tables
	SHA256 string // of the file, in hexadecimal
}

// ErrExists says that there is a file where one is to be made.
var ErrExists = errors.New("there is a file already")

// ErrNotOurs says that a file is no database of this program.
var ErrNotOurs = errors.New("it is no Sendoff database")

// Backup copies the database file at path to dest, as it is at one moment, beside a server
// that has it open and goes on: the log of the server grows meanwhile, and nothing waits. The
// copy is checked, is on disk and has the mode 0600 before it gets its name; whatever
// fails, nothing of that name is made or changed. With replace a file at dest is replaced.
// Errors: fs.ErrNotExist, ErrExists, ErrNotOurs, store.ErrBroken, store.ErrFull.
//
// It is SQLite's VACUUM INTO, so that the copy is no larger than what it holds.
func Backup(ctx context.Context, path, dest string, replace bool) (Copied, error) {
	c, err := backUp(ctx, path, dest, replace)
	if err != nil {
		return Copied{}, fmt.Errorf("back up %s to %s: %w", path, dest, translate(err))
	}
	return c, nil
}

func backUp(ctx context.Context, path, dest string, replace bool) (Copied, error) {
	if err := mayMake(path, dest, replace); err != nil {
		return Copied{}, err
	}
	var c Copied
	err := beside(dest, func(temp string) error {
		if err := vacuumInto(ctx, path, temp); err != nil {
			return err
		}
		return look(ctx, temp, &c)
	})
	return c, err
}

// mayMake refuses to copy a file onto itself, or onto another one that is to stay.
func mayMake(path, dest string, replace bool) error {
	from, err := os.Stat(path)
	if err != nil {
		return err
	}
	to, err := os.Stat(dest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case os.SameFile(from, to):
		return fmt.Errorf("%w: it is the database itself", ErrExists)
	case !replace:
		return ErrExists
	case !to.Mode().IsRegular():
		return fmt.Errorf("%w, and it is not a regular one", ErrExists)
	}
	return nil
}

// beside has fill fill a private file in the directory of dest, and gives it that name when it
// is whole and on disk.
func beside(dest string, fill func(temp string) error) error {
	removePartials(dest)
	prefix, suffix := partial(dest)
	f, err := os.CreateTemp(filepath.Dir(dest), prefix+"*"+suffix) // of mode 0600
	if err != nil {
		return err
	}
	temp := f.Name()
	defer removePartial(temp)
	if err := f.Close(); err != nil {
		return err
	}
	lock, err := lockFile(temp) // by which others see that somebody is at it
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := fill(temp); err != nil {
		return err
	}
	if err := syncFile(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, dest); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dest))
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDir has a new name be on disk, where directories can be synced.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// OpenToRead opens a database of ours without changing anything of it, whoever else has it
// open. fs.ErrNotExist, ErrNotOurs.
func OpenToRead(ctx context.Context, path string) (*sql.DB, error) {
	real, err := filepath.EvalSymlinks(path) // the log beside it is found by the name
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(real)}
	db, err := sql.Open("sqlite", u.String()+"?mode=ro&_pragma=busy_timeout(10000)&_pragma=temp_store(MEMORY)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := ours(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// ours tells whether a file has tables of ours, of whatever version.
func ours(ctx context.Context, db *sql.DB) error {
	var tables int
	err := db.QueryRowContext(ctx, `select count(*) from sqlite_schema where type = 'table' and name in ('goose_db_version', 'task', 'ready', 'node')`).Scan(&tables)
	if err != nil && codeOf(err)&0xff == codeNoFile || err == nil && tables != 4 {
		return errors.Join(ErrNotOurs, err)
	}
	return err
}

// vacuumInto copies a database of ours into an empty file.
func vacuumInto(ctx context.Context, path, temp string) error {
	db, err := OpenToRead(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `vacuum into ?`, temp)
	return err
}

// look checks a copy from its first page to its last, and counts what it holds.
func look(ctx context.Context, path string, c *Copied) error {
	db, err := OpenToRead(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := whole(ctx, db); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, `select (`+newestApplied+`), (select count(*) from task)`).Scan(&c.Schema, &c.Tasks); err != nil {
		return err
	}
	return c.measure(path)
}

// whole has SQLite check a file.
func whole(ctx context.Context, db *sql.DB) error {
	var found string
	err := db.QueryRowContext(ctx, `pragma integrity_check(1)`).Scan(&found)
	if err == nil && found != "ok" {
		err = fmt.Errorf("%w: integrity_check: %s", store.ErrBroken, found)
	}
	return err
}

func (c *Copied) measure(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	c.Bytes, err = io.Copy(sum, f)
	c.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return err
}
