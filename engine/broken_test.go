package engine_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// TestAnEngineEndsWhenItsDatabaseFails: it says why, in the log and to its
// caller, and is not ready meanwhile.
func TestAnEngineEndsWhenItsDatabaseFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	db, err := sqlite.Open(context.Background(), file, sqlite.Options{})
	require.NoError(t, err)
	var log bytes.Buffer
	e, err := engine.New(db, engine.Config{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))})
	require.NoError(t, err)
	over := make(chan error, 1)
	go func() { over <- e.Run(context.Background()) }()
	require.Eventually(t, func() bool { return e.Ready(context.Background()) == nil }, time.Minute, time.Millisecond)
	require.NoError(t, os.Remove(file))
	err = <-over
	require.ErrorIs(t, err, engine.ErrStoreBroken)
	require.ErrorIs(t, err, store.ErrBroken)
	require.ErrorContains(t, err, "has been deleted or moved away")
	require.Error(t, e.Ready(context.Background()))
	require.Contains(t, log.String(), "nothing is acknowledged any more")
	require.Contains(t, log.String(), "has been deleted or moved away")
	_ = db.Close()
}
