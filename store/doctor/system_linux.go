package doctor

import (
	"fmt"
	"os"
	"syscall"
)

// kinds are file systems by the numbers that the kernel tells them by.
var kinds = map[uint32]string{
	0x6969: "nfs", 0x517B: "smb", 0xFF534D42: "cifs", 0xFE534D42: "cifs", 0x01021997: "9p", 0x00C36400: "ceph",
	0xEF53: "ext4", 0x58465342: "xfs", 0x9123683E: "btrfs", 0x01021994: "tmpfs", 0x2FC12FC1: "zfs", 0x794C7630: "overlay", 0xF2F52010: "f2fs",
}

// kindOf is the file system that a file is on.
func kindOf(path string) (string, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return "", fmt.Errorf("ask for the file system: %w", err)
	}
	if kind, known := kinds[uint32(s.Type)]; known {
		return kind, nil
	}
	return fmt.Sprintf("a file system of kind %#x", uint32(s.Type)), nil
}

// links is how many names a file has.
func links(is os.FileInfo) uint64 {
	if s, ok := is.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink) //nolint:unconvert // of other types on other machines
	}
	return 1
}

func private(is os.FileInfo) bool { return is.Mode().Perm()&0o077 == 0 }
