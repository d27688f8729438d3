package httpsig_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

// TestAKeyFileOfRootMayBeForItsGroup: so a secret comes to a container whose user is another.
func TestAKeyFileOfRootMayBeForItsGroup(t *testing.T) {
	if os.Getenv("SENDOFF_TEST_GROUP") != "" { // as that other user
		_, err := httpsig.ReadKeys("/proc/self/fd/3")
		require.NoError(t, err)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("wants to be root")
	}
	path := filepath.Join(t.TempDir(), "keys")
	_, err := httpsig.LoadKeys(path)
	require.NoError(t, err)
	require.NoError(t, os.Chown(path, 0, 65532))
	for mode, fine := range map[os.FileMode]bool{0o440: true, 0o640: true, 0o444: false, 0o660: false} {
		require.NoError(t, os.Chmod(path, mode))
		file, err := os.Open(path)
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", t.Name())
		cmd.Env, cmd.Dir = []string{"SENDOFF_TEST_GROUP=1"}, "/"
		cmd.ExtraFiles = []*os.File{file}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		out, err := cmd.CombinedOutput()
		require.Equal(t, fine, err == nil, "%04o: %s", mode, out)
		require.NoError(t, file.Close())
		_, err = httpsig.ReadKeys(path)
		require.ErrorContains(t, err, "open to others", "root itself has no need of a group")
	}
}
