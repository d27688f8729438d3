//go:build !linux

package doctor

import (
	"os"
	"runtime"
)

func kindOf(string) (string, error) { return "", nil }

func links(os.FileInfo) uint64 { return 1 }

// private tells whether only the owner reads a file, where modes say so.
func private(is os.FileInfo) bool { return runtime.GOOS == "windows" || is.Mode().Perm()&0o077 == 0 }
