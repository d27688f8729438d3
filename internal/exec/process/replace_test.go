//go:build linux

package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAWorkerIsReplacedWhenItsTaskHasEnded(t *testing.T) {
	p := pool(t, func(c *Config) { c.Max = 1 })
	shown := func(state string) (w Worker) {
		require.Eventually(t, func() bool {
			all := p.Workers()
			if len(all) == 0 {
				return false
			}
			w = all[len(all)-1]
			return w.State == state
		}, 10*time.Second, time.Millisecond)
		return w
	}
	require.ErrorIs(t, p.Replace(99), ErrNoWorker)
	first := shown("idle")
	require.NoError(t, p.Replace(first.Number))
	second := shown("idle")
	require.Equal(t, first.Number+1, second.Number, "at once: it had nothing to do")

	flag := filepath.Join(t.TempDir(), "flag")
	over := make(chan Result, 1)
	go func() { over <- p.Do(t.Context(), call("jobs.await_file", `{"args":["`+flag+`"]}`)) }()
	require.Equal(t, second.Number, shown("running").Number)
	require.NoError(t, p.Replace(second.Number))
	busy := shown("running")
	require.Equal(t, []any{second.Number, true}, []any{busy.Number, busy.Replaced}, "it goes on with its task")
	require.NoError(t, p.Replace(second.Number), "that is so already")
	require.NoError(t, os.WriteFile(flag, nil, 0o600))
	require.Equal(t, ok, (<-over).how, "the task has come to its end")
	third := shown("idle")
	require.Equal(t, []any{third.Number, false}, []any{second.Number + 1, third.Replaced})
}
