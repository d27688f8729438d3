package docs_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"context"
	"path/filepath"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/push"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// TestHowATaskEndsIsToldAsThePageSays runs the commands of the page.
func TestHowATaskEndsIsToldAsThePageSays(t *testing.T) {
	page, err := os.ReadFile("push.md")
	require.NoError(t, err)
	var commands string
	for _, block := range blocks(string(page), "sh") {
		if strings.Contains(block, "/complete") {
			commands = block
		}
	}
	require.NotEmpty(t, commands)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "app.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{AllowLoopback: true})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-over)
		require.NoError(t, db.Close())
	}()
	server := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	defer server.Close()
	taken := make(chan push.Task, 1)
	app := httptest.NewServer(push.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		push.Manual(w, time.Minute)
		taken <- push.TaskOf(r)
		return nil
	}))
	defer app.Close()
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: server.URL})
	require.NoError(t, err)
	_, err = client.Submit(ctx, sendoff.NewTask{ID: "order-42", URL: app.URL})
	require.NoError(t, err)
	require.EqualValues(t, 1, (<-taken).Token)
	commands = strings.ReplaceAll(commands, "http://127.0.0.1:4450", server.URL)
	out, err := exec.CommandContext(ctx, "sh", "-e", "-c", commands).CombinedOutput()
	require.NoError(t, err, "%s", out)
	got, err := client.Wait(ctx, "order-42")
	require.NoError(t, err)
	require.Equal(t, sendoff.StateSucceeded, got.State)
}
