//go:build unix

package sqlite

import (
	"errors"
	"os"
	"syscall"

	"github.com/sendoff-dev/sendoff/store"
)

// locks tells whether lockFile locks.
const locks = true

// lockFile takes the lock beside a database. The kernel drops it when the process
// ends, however it ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, store.ErrInUse
		}
		return nil, err
	}
	return f, nil
}

// links is how many names a file has.
func links(is os.FileInfo) uint64 {
	if s, ok := is.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink) //nolint:unconvert // of other types on other systems
	}
	return 1
}
