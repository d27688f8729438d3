package host

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// TestAGraphThatIsKeptIsRunByItsName: the latest revision, and whoever is wrong is told.
func TestAGraphThatIsKeptIsRunByItsName(t *testing.T) {
	set := Defaults()
	set.Listen.Addr, set.DB.DSN = "127.0.0.1:0", filepath.Join(t.TempDir(), "x.db")
	s, err := Open(t.Context(), &set, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer s.Close()
	signals, ended := make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- s.Run(signals) }()
	defer func() {
		signals <- syscall.SIGTERM
		require.NoError(t, <-ended)
	}()
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: s.URL()})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	for _, definition := range []string{`{"name":"site","jobs":{"A":{}}}`, `{"name":"site","jobs":{"\ud83c\udfac":{},"Z":{"deps":["\ud83c\udfac"]}}}`} {
		_, _, err = c.Graphs.Save(ctx, json.RawMessage(definition))
		require.NoError(t, err)
	}
	run, err := c.GraphRuns.Start(ctx, sendoff.NewGraphRun{Graph: "site"})
	require.NoError(t, err)
	run, err = c.GraphRuns.Wait(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, []any{sendoff.GraphSucceeded, "Z", "🎬"}, []any{run.State, run.Goal, run.Jobs[0].Name})

	run, err = c.GraphRuns.Start(ctx, sendoff.NewGraphRun{Definition: json.RawMessage(`{"jobs":{"\ud83c\udfac":{}}}`)})
	require.NoError(t, err, "one that is not kept is read alike")
	run, err = c.GraphRuns.Wait(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, "🎬", run.Goal)

	_, err = c.GraphRuns.Start(ctx, sendoff.NewGraphRun{Graph: "sight"})
	require.ErrorContains(t, err, `no graph of this name is stored`)
	_, _, err = c.Graphs.Save(ctx, json.RawMessage(`{"name":"site","jobs":{"A":{"deps":["A"]}}}`))
	require.ErrorContains(t, err, `jobs: job "A": deps: it needs itself: leave it out`)
}

// TestAGraphRunsWhereKeysAreNeeded: in the namespace of whoever starts it, and nobody else
// sees it; the key may see no payloads.
func TestAGraphRunsWhereKeysAreNeeded(t *testing.T) {
	set := Defaults()
	set.Listen.Addr, set.DB.DSN = "127.0.0.1:0", filepath.Join(t.TempDir(), "x.db")
	s, err := Open(t.Context(), &set, "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer s.Close()
	signals, ended := make(chan os.Signal, 1), make(chan error, 1)
	go func() { ended <- s.Run(signals) }()
	defer func() {
		signals <- syscall.SIGTERM
		require.NoError(t, <-ended)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client := func(key string) *sendoff.Client {
		c, err := sendoff.NewClient(sendoff.ClientConfig{URL: s.URL(), APIKey: key})
		require.NoError(t, err)
		return c
	}
	admin, err := client("").APIKeys.Create(ctx, sendoff.NewAPIKey{Name: "admin", Scopes: []sendoff.Scope{sendoff.ScopeAdmin}})
	require.NoError(t, err)
	tenant, err := client(admin.Key).APIKeys.Create(ctx, sendoff.NewAPIKey{Name: "tenant", Scopes: []sendoff.Scope{sendoff.ScopeRead, sendoff.ScopeEnqueue, sendoff.ScopeOperate}, Namespace: "theirs"})
	require.NoError(t, err)
	theirs := client(tenant.Key)
	_, _, err = theirs.Graphs.Save(ctx, json.RawMessage(`{"name":"site","jobs":{"A":{}}}`))
	require.NoError(t, err)
	run, err := theirs.GraphRuns.Start(ctx, sendoff.NewGraphRun{Graph: "site"})
	require.NoError(t, err)
	run, err = theirs.GraphRuns.Wait(ctx, run.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphSucceeded, run.State)
	for run, err := range theirs.GraphRuns.List(ctx, "") {
		require.NoError(t, err)
		require.Equal(t, "site", run.Graph)
	}
	_, err = client(admin.Key).GraphRuns.Get(ctx, run.ID)
	require.True(t, sendoff.IsNotFound(err), "%v", err)
	_, err = client(admin.Key).GraphRuns.Cancel(ctx, run.ID)
	require.True(t, sendoff.IsNotFound(err), "%v", err)
	_, err = client(admin.Key).Graphs.Get(ctx, "site", 0)
	require.True(t, sendoff.IsNotFound(err), "%v", err)
}
