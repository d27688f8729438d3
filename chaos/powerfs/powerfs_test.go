//go:build linux

package powerfs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/powerfs"
)

// TestMain lets the test binary be its own child: programs that use the
// filesystem must not live in the process that serves it.
func TestMain(m *testing.M) {
	if os.Getenv("POWERFS_CHILD") != "" {
		child(os.Args[1:])
		return
	}
	os.Exit(m.Run())
}

// child carries out steps such as "write a hello", "sync a", "mv a b", "rm a",
// "syncdir", and prints what "read" finds.
func child(args []string) {
	dir := args[0]
	for _, step := range args[1:] {
		if err := do(dir, strings.Fields(step)); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
}

func do(dir string, f []string) error {
	path := func(i int) string { return filepath.Join(dir, f[i]) }
	switch f[0] {
	case "write":
		return os.WriteFile(path(1), []byte(f[2]), 0o600)
	case "append":
		w, err := os.OpenFile(path(1), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		defer w.Close()
		_, err = w.WriteString(f[2])
		return err
	case "sync":
		return syncFile(path(1))
	case "syncdir":
		return syncFile(dir)
	case "mv":
		return os.Rename(path(1), path(2))
	case "ln":
		return os.Link(path(1), path(2))
	case "rm":
		return os.Remove(path(1))
	case "read":
		b, err := os.ReadFile(path(1))
		if os.IsNotExist(err) {
			b, err = []byte("(none)"), nil
		}
		fmt.Printf("%s=%s ", f[1], b)
		return err
	}
	return fmt.Errorf("no step %q", f[0])
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func run(t *testing.T, dir string, steps ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{dir}, steps...)...)
	cmd.Env = append(os.Environ(), "POWERFS_CHILD=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.TrimSpace(string(out))
}

func mount(t *testing.T, d *powerfs.Disk, dir string) *powerfs.Mount {
	t.Helper()
	if err := powerfs.Supported(); err != nil {
		t.Skip(err)
	}
	m, err := d.Mount(dir)
	if err != nil {
		t.Skip(err)
	}
	return m
}

func TestCut(t *testing.T) {
	for name, tt := range map[string]struct {
		loseNames bool
		steps     []string
		read      string
		want      string
	}{
		"synced content stays": {steps: []string{"write a one", "sync a"}, read: "read a", want: "a=one"},
		"unsynced write is lost": {
			steps: []string{"write a one", "sync a", "append a two"}, read: "read a", want: "a=one",
		},
		"unsynced truncation is lost": {
			steps: []string{"write a onetwo", "sync a", "write a x"}, read: "read a", want: "a=onetwo",
		},
		"names stay": {steps: []string{"write a one", "sync a", "mv a b"}, read: "read b", want: "b=one"},
		"unsynced removal is undone": {
			loseNames: true, steps: []string{"write a one", "sync a", "rm a"}, read: "read a", want: "a=one",
		},
		"synced removal stays": {
			loseNames: true, steps: []string{"write a one", "sync a", "rm a", "syncdir"}, read: "read a", want: "a=(none)",
		},
		"never synced file is gone": {
			loseNames: true, steps: []string{"write a one"}, read: "read a", want: "a=(none)",
		},
		"a second name": {
			loseNames: true, steps: []string{"write a one", "ln a b", "rm a", "sync b"}, read: "read b", want: "b=one",
		},
		"rename over a file": {
			loseNames: true, steps: []string{"write a old", "sync a", "write b new", "sync b", "mv b a", "syncdir"},
			read: "read a", want: "a=new",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, disk := t.TempDir(), powerfs.NewDisk(1)
			m := mount(t, disk, dir)
			run(t, dir, tt.steps...)
			disk.Cut(powerfs.DropAll, tt.loseNames)
			require.NoError(t, m.Unmount())
			m = mount(t, disk, dir)
			defer func() { require.NoError(t, m.Unmount()) }()
			require.Equal(t, tt.want, run(t, dir, tt.read))
		})
	}
}

func TestCutFailsWhatIsOpen(t *testing.T) {
	dir, disk := t.TempDir(), powerfs.NewDisk(1)
	m := mount(t, disk, dir)
	run(t, dir, "write a one", "sync a")
	disk.Cut(powerfs.DropAll, false)
	cmd := exec.Command(os.Args[0], dir, "append a two")
	cmd.Env = append(os.Environ(), "POWERFS_CHILD=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "input/output error")
	require.NoError(t, m.Unmount())
}
