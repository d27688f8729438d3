package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// startServer runs a server that signs its pushes, and returns its client.
func startServer(t *testing.T) *sendoff.Client {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{KeysFile: filepath.Join(dir, "keys"), AllowLoopback: true})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{Local: true}))
	t.Cleanup(func() {
		door.Close()
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, db.Close())
	})
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: door.URL})
	require.NoError(t, err)
	return c
}

func TestSignedPushesAreDoneAndOthersRefused(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := startServer(t)
	server := httptest.NewServer(newApp(c.URL(), slog.New(slog.DiscardHandler)))
	defer server.Close()

	for _, tt := range []struct {
		email  string
		state  sendoff.State
		answer string
	}{
		{"ada@example.com", sendoff.StateSucceeded, "welcomed\n"},
		{"", sendoff.StateFailed, "want {\"email\": ...}\n"},
	} {
		task, err := c.Submit(ctx, sendoff.NewTask{URL: server.URL + "/welcome", Payload: map[string]string{"email": tt.email}})
		require.NoError(t, err)
		task, err = c.Wait(ctx, task.ID)
		require.NoError(t, err)
		require.Equal(t, tt.state, task.State)
		var answers []string
		for attempt, err := range c.Tasks.Attempts(ctx, task.ID) {
			require.NoError(t, err)
			answers = append(answers, attempt.Body)
		}
		require.Equal(t, []string{tt.answer}, answers)
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/welcome", strings.NewReader(`{"email":"eve@example.com"}`))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
}
