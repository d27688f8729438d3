package testkit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a small disk of its own, which can be filled up.
type Disk struct {
	Dir string
	t   *testing.T
}

// SmallDisk mounts a disk of a size for the test. It skips the test where mounts
// are refused.
func SmallDisk(t *testing.T, bytes int) *Disk {
	t.Helper()
	dir, err := os.MkdirTemp("", "sendoff-disk-") // t.TempDir cannot be entered by another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	d := &Disk{dir, t}
	if err := syscall.Mount("tmpfs", d.Dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0777", bytes)); err != nil {
		t.Skipf("%s needs a disk that can be filled up, and a tmpfs cannot be mounted here: %v", t.Name(), err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.Dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", d.Dir, err)
		}
	})
	return d
}

// Fill leaves no byte free. Free undoes it.
func (d *Disk) Fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, endless{}); !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatalf("fill the disk: %v", err)
	}
}

// Leave leaves so many bytes free. Free undoes it.
func (d *Disk) Leave(bytes int64) {
	d.t.Helper()
	d.Fill()
	is, err := os.Stat(d.ballast())
	if err == nil {
		err = os.Truncate(d.ballast(), is.Size()-bytes)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// Free makes the room again that Fill took.
func (d *Disk) Free() {
	d.t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		d.t.Fatal(err)
	}
}

func (d *Disk) ballast() string { return filepath.Join(d.Dir, "ballast") }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
