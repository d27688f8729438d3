//go:build unix

package httpsig

import (
	"io/fs"
	"os"
	"syscall"
)

// open tells whether a file can be read or written by others than it is for. What root has
// given us to read, through our group, is for us.
func open(is fs.FileInfo) bool {
	mode := is.Mode().Perm()
	if s, ok := is.Sys().(*syscall.Stat_t); ok && s.Uid == 0 && os.Geteuid() != 0 {
		return mode&0o037 != 0
	}
	return mode&0o077 != 0
}
