//go:build unix

package sqlite_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// litestream is the program, or the test is skipped.
func litestream(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("litestream"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	path := filepath.Join(cache, "sendoff-test", "litestream", "litestream")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no litestream: scripts/setup-litestream fetches it")
	}
	return path
}

// TestLitestreamBringsAPointInTimeBack: beside a store that is busy, and checkpoints by itself, it
// copies what is committed; what was acknowledged a while before it was killed is there, and a time
// between two batches has the first alone. A store goes on from what sendoff restore makes of it.
func TestLitestreamBringsAPointInTimeBack(t *testing.T) {
	program, dir := litestream(t), t.TempDir()
	file, replica := filepath.Join(dir, "a.db"), "file://"+filepath.Join(dir, "replica")
	s, lane := opened(t, file, 1)
	log := &lines{}
	cmd := exec.Command(program, "replicate", file, replica)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()

	big := func(n int) { // the log is emptied after some of them
		for range n {
			task := draft(lane)
			task.Payload = make([]byte, 500_000)
			_, _, err := s.Insert(t.Context(), []store.NewTask{task}, false)
			require.NoError(t, err)
		}
	}
	node := joined(t, s)
	big(60)
	require.Len(t, claimed(t, s, node, lane, 5), 5)
	restored := func(name string, more ...string) (n int) {
		to := filepath.Join(dir, name)
		_ = os.Remove(to)
		out, err := exec.Command(program, append(append([]string{"restore", "-o", to}, more...), replica)...).CombinedOutput()
		if err != nil {
			return -len(out)
		}
		db, err := sqlite.OpenToRead(t.Context(), to)
		require.NoError(t, err)
		defer db.Close()
		require.NoError(t, db.QueryRowContext(t.Context(), `select count(*) from task`).Scan(&n))
		return n
	}
	wait := func(tasks int) {
		for end := time.Now().Add(time.Minute); restored("latest.db") != tasks; time.Sleep(time.Second) {
			require.True(t, time.Now().Before(end), "%s", log)
		}
	}
	wait(61)
	time.Sleep(2 * time.Second) // its times are those of its copies, one a second
	at := time.Now().UTC()
	time.Sleep(2 * time.Second)
	big(10)
	wait(71)
	require.NoError(t, cmd.Process.Kill())
	require.Equal(t, 61, restored("before.db", "-timestamp", at.Format(time.RFC3339)), "as it was at %s", at)

	again := filepath.Join(dir, "again.db")
	got, err := sqlite.Restore(t.Context(), filepath.Join(dir, "before.db"), again)
	require.NoError(t, err)
	require.Len(t, got.InDoubt, 5)
	opened(t, again, 1)
}

// lines is what a program has written.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}
