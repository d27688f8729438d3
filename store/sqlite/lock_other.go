//go:build !unix

package sqlite

import "os"

// locks tells whether lockFile locks.
const locks = false

// lockFile opens the lock file; without flock, SQLite's own locks are what
// keeps a second writer out.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}

func links(os.FileInfo) uint64 { return 1 }
