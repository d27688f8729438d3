package disk

import (
	"fmt"
	"syscall"
)

// Room is what is free on the disk of a file for this process, and its size, in bytes; 0 and 0
// where the system does not say it.
func Room(path string) (free, total int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, fmt.Errorf("ask for free room: %w", err)
	}
	size := s.Bsize
	return int64(s.Bavail) * size, int64(s.Blocks) * size, nil
}
