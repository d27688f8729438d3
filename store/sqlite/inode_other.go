//go:build !linux

package sqlite

import "os"

// lockInode does nothing: the lock beside the resolved path is all there is.
func lockInode(*os.File) error { return nil }
