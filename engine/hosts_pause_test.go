package engine_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// doorOf is a client of an engine.
func doorOf(t *testing.T, e *engine.Engine) *sendoff.Client {
	t.Helper()
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	t.Cleanup(door.Close)
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: door.URL})
	require.NoError(t, err)
	return client
}

// One node is told, and all of them hold the pushes back until another one is told.
func TestPushesToAHostArePausedOnAllNodes(t *testing.T) {
	var got atomic.Int64
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	defer app.Close()
	host := strings.TrimPrefix(app.URL, "http://")
	all := nodesWith(t, 2, engine.Config{AllowLoopback: true, Heartbeat: time.Minute, Lease: time.Hour}, func(int, *engine.Engine) {})
	here, there := doorOf(t, all[0]), doorOf(t, all[1])
	paused, err := here.Endpoints.Pause(t.Context(), app.URL+"/hook")
	require.NoError(t, err)
	require.Equal(t, host, paused.Host)
	require.True(t, paused.Paused)
	isPaused := func(client *sendoff.Client) bool {
		list, err := client.Endpoints.List(t.Context())
		require.NoError(t, err)
		return len(list) == 1 && list[0].State == sendoff.EndpointPaused && list[0].Reason == "operator" && list[0].Since.Equal(paused.Since)
	}
	require.True(t, isPaused(here))
	require.Eventually(t, func() bool { return isPaused(there) }, 10*time.Second, 10*time.Millisecond, "a hint tells it")

	var ids []string
	for _, e := range all { // whoever submits wakes itself first
		r, err := e.Submit(t.Context(), engine.Task{URL: app.URL + "/hook"})
		require.NoError(t, err)
		ids = append(ids, r.ID)
	}
	for _, id := range ids {
		var waits *sendoff.Waiting
		require.Eventually(t, func() bool {
			got, err := there.Get(t.Context(), id)
			require.NoError(t, err)
			waits = got.WaitingFor
			return waits != nil && waits.Cause == "endpoint"
		}, 10*time.Second, 10*time.Millisecond)
		require.Contains(t, waits.Text, "pushes to "+host+" are paused since")
		require.Equal(t, []string{"resume-endpoint"}, waits.Actions)
		require.Equal(t, paused.Since, waits.Since)
	}
	require.Zero(t, got.Load())
	_, err = here.Endpoints.Probe(t.Context(), host)
	require.ErrorContains(t, err, "pushes to it are paused: resume them")

	resumed, err := there.Endpoints.Resume(t.Context(), host)
	require.NoError(t, err)
	require.Equal(t, sendoff.PausedHost{Host: host}, resumed)
	require.Eventually(t, func() bool { return !isPaused(here) }, 10*time.Second, 10*time.Millisecond)
	for range ids {
		var probe sendoff.Probe
		require.Eventually(t, func() bool { // what the other node has called is known a moment later
			probe, err = here.Endpoints.Probe(t.Context(), host)
			return !sendoff.IsNotFound(err)
		}, 20*time.Second, 10*time.Millisecond)
		require.NoError(t, err)
		require.Equal(t, []string{app.URL}, probe.Endpoints)
		require.Contains(t, ids, probe.Task)
		done, err := here.Wait(t.Context(), probe.Task)
		require.NoError(t, err)
		require.Equal(t, []any{sendoff.StateSucceeded, 1}, []any{done.State, done.Attempts}, "waiting has spent none")
	}
	require.EqualValues(t, 2, got.Load())
	for _, bad := range []string{"a b", "http://"} {
		_, err = here.Endpoints.Pause(t.Context(), bad)
		require.ErrorContains(t, err, `want something like "app.example"`, bad)
	}
	_, err = here.Endpoints.Probe(t.Context(), "127.0.0.1:1")
	require.True(t, sendoff.IsNotFound(err), err)
}

// A pause is on disk.
func TestAPausedHostStaysPausedOverARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	start := func() *bundle {
		db, err := sqlite.Open(t.Context(), file, sqlite.Options{})
		require.NoError(t, err)
		e, err := engine.New(db, engine.Config{AllowLoopback: true})
		require.NoError(t, err)
		return &bundle{Engine: e, db: db}
	}
	b := start()
	_, err := b.Endpoints().Pause(t.Context(), "127.0.0.1:1")
	require.NoError(t, err)
	require.NoError(t, b.db.Close())
	b = start()
	ids := b.push(t, 1, "http://127.0.0.1:1/hook")
	b.run(t)
	defer b.stop()
	require.Eventually(t, func() bool { return waiting(t, b, ids) == 1 }, 10*time.Second, 5*time.Millisecond)
	info, err := b.Tasks().Get(t.Context(), ids[0])
	require.NoError(t, err)
	require.Equal(t, []any{task.PutOff, 0}, []any{info.Reason, info.Attempts})
	require.Contains(t, info.LastError, "pushes to the host are paused")
	list, err := b.Endpoints().List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{"http://127.0.0.1:1", "operator"}, []any{list[0].Endpoint, list[0].Reason})
}
