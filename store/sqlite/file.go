package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// file is the database file as this process holds it. SQLite goes on writing
// into a file whose name is gone, and would let two processes in under two
// names; neither may happen to what is acknowledged.
type file struct {
	path   string   // absolute and without symbolic links
	beside *os.File // the lock beside it, which other versions look at
	self   *os.File // the database itself, locked too where the system can
	names  []name   // that must go on leading to what they led to
}

// name is a path and the file that was found under it.
type name struct {
	path string
	is   os.FileInfo
}

// occupy finds the file, makes it with mode 0600 when it is missing, and locks
// it. It gives a process that is just being killed two seconds to let go of it.
func occupy(ctx context.Context, path string) (*file, error) {
	path, err := resolve(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path}
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err = f.lock()
		if err == nil {
			return f, nil
		}
		err = errors.Join(err, f.release())
		if !errors.Is(err, store.ErrInUse) || time.Now().After(deadline) || ctx.Err() != nil {
			return nil, err
		}
	}
}

// resolve returns the path without symbolic links, of a file that is there then.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makePrivate(path); err != nil {
			return "", err
		}
		real, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(real)
}

func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// lock takes both locks. The one beside comes first: while another store of this
// process holds it, the database must not even be opened, because closing it
// would drop the locks that SQLite holds for the whole process.
func (f *file) lock() (err error) {
	if f.beside, err = lockFile(f.path + ".lock"); err != nil {
		return err
	}
	if f.self, err = os.OpenFile(f.path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := lockInode(f.self); err != nil {
		return err
	}
	is, err := f.self.Stat()
	if err != nil {
		return err
	}
	if n := links(is); n > 1 {
		return fmt.Errorf("the file has %d names (hard links): what is written under one is not all seen under the other; remove all but one", n)
	}
	f.names = []name{{f.path, is}}
	return nil
}

// watchLog adds the write-ahead log, which SQLite has made by now, to what must
// stay in its place: what it holds is acknowledged too.
func (f *file) watchLog() error {
	path := f.path + "-wal"
	is, err := os.Stat(path)
	if err == nil {
		f.names = append(f.names, name{path, is})
	}
	return err
}

// inPlace returns an error when a name is gone or leads to another file. What
// cannot be told, for instance because a directory may not be read, is no loss.
func (f *file) inPlace() error {
	for _, n := range f.names {
		now, err := os.Stat(n.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s has been deleted or moved away", n.path)
		case err == nil && !os.SameFile(n.is, now):
			return fmt.Errorf("%s has been replaced by another file", n.path)
		}
	}
	return nil
}

func (f *file) release() error {
	var errs []error
	for _, l := range []*os.File{f.self, f.beside} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	f.self, f.beside = nil, nil
	return errors.Join(errs...)
}
