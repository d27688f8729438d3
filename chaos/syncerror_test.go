//go:build linux

package chaos_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/powerfs"
)

// TestSyncError covers T6 for the call that matters most: from some sync on,
// every sync fails. Nothing that is acknowledged afterwards may depend on one:
// the power fails too, and what was acknowledged has to be there.
func TestSyncError(t *testing.T) {
	syncError(t, sendoff(t))
}

func TestSyncErrorStandin(t *testing.T) {
	skipShort(t)
	syncError(t, self("standin"))
}

func syncError(t *testing.T, p program) {
	t.Helper()
	strace := needStrace(t)
	m := newMachine(t, 1, powerfs.DropAll)
	s := newServer(t, p, m.file())
	s.start() // the schema is not the subject
	s.kill()

	trace := filepath.Join(t.TempDir(), "trace")
	s.run(underStrace(strace, trace, "inject=fsync,fdatasync:error=EIO:when=30+", s))
	s.waitReady()
	acked := map[string]string{}
	for i := range 2000 {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		id, err := submit(ctx, submission{key: marker(i), body: map[string]any{"url": "http://127.0.0.1:9/", "delay": "1h"}}, s)
		cancel()
		if err != nil {
			break
		}
		acked[marker(i)] = id
	}
	require.Less(t, len(acked), 2000, "syncs fail and the server still acknowledges")
	m.disk.Cut(powerfs.DropAll, false)
	s.endTraced()
	m.remount()
	s.start()
	there := map[string]bool{}
	for _, task := range s.list("", everything) {
		there[task.ID] = true
	}
	for key, id := range acked {
		require.True(t, there[id], "%s (%s) was acknowledged and is not there", key, id)
	}
	t.Logf("%d acknowledged before syncs failed, none after, none lost", len(acked))
}
