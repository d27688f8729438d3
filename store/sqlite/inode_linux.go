package sqlite

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/sendoff-dev/sendoff/store"
)

// lockInode locks the database itself, by whatever name or mount it was found.
// The lock is of the open file, not of the process (SQLite's are), and on a byte
// far from those that SQLite locks. A file system without such locks is left
// with the lock beside.
func lockInode(f *os.File) error {
	const setOpenFileLock, place = 37, 1 << 62 // F_OFD_SETLK
	err := syscall.FcntlFlock(f.Fd(), setOpenFileLock, &syscall.Flock_t{
		Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: place, Len: 1,
	})
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return store.ErrInUse
	}
	return nil
}
