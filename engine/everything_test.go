package engine_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

func nothing(_ int, e *engine.Engine) {
	e.HandleFunc("h", func(context.Context, *engine.Call) error { return nil })
}

// One node is told, and none starts anything until another one is told, whatever the queue.
func TestEverythingIsPausedOnAllNodes(t *testing.T) {
	all := nodesWith(t, 2, engine.Config{Poll: time.Minute}, nothing)
	here, there := doorOf(t, all[0]), doorOf(t, all[1])
	first, err := all[0].Submit(t.Context(), engine.Task{Handler: "h", Queue: "by-itself"})
	require.NoError(t, err)
	_, err = here.Wait(t.Context(), first.ID)
	require.NoError(t, err)
	_, err = here.Queues.Pause(t.Context(), "by-itself")
	require.NoError(t, err)

	paused, err := here.PauseAll(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{"default", true}, []any{paused.Namespace, paused.Paused})
	require.Eventually(t, func() bool {
		me, err := there.Me(t.Context())
		require.NoError(t, err)
		return me.Paused && me.PausedSince.Equal(paused.Since)
	}, 5*time.Second, 5*time.Millisecond)
	var ids []string
	for i, e := range all {
		for _, queue := range []string{"", "new"} {
			r, err := e.Submit(t.Context(), engine.Task{Handler: "h", Queue: queue})
			require.NoError(t, err, i)
			ids = append(ids, r.ID)
		}
	}
	rests, err := all[0].Submit(t.Context(), engine.Task{Handler: "h", Queue: "by-itself"})
	require.NoError(t, err)
	for _, id := range append(ids, rests.ID) {
		got, err := there.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, sendoff.StateReady, got.State)
		require.Equal(t, "paused", string(got.WaitingFor.Cause))
		require.Contains(t, got.WaitingFor.Text, "everything is paused, since ")
		require.Equal(t, []string{"resume-everything"}, got.WaitingFor.Actions)
	}

	resumed, err := there.ResumeAll(t.Context())
	require.NoError(t, err)
	require.Equal(t, sendoff.Everything{Namespace: "default"}, resumed)
	for _, id := range ids { // nobody polls: they are woken
		got, err := here.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, sendoff.StateSucceeded, got.State)
	}
	got, err := there.Get(t.Context(), rests.ID)
	require.NoError(t, err)
	require.Equal(t, `the queue "by-itself" is paused`, got.WaitingFor.Text)
}

// A pause of everything is on disk.
func TestEverythingStaysPausedOverARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sendoff.db")
	start := func() *bundle {
		db, err := sqlite.Open(t.Context(), file, sqlite.Options{})
		require.NoError(t, err)
		e, err := engine.New(db, engine.Config{})
		require.NoError(t, err)
		nothing(0, e)
		return &bundle{Engine: e, db: db}
	}
	b := start()
	_, err := b.Queues().PauseAll(t.Context())
	require.NoError(t, err)
	require.NoError(t, b.db.Close())
	b = start()
	b.run(t)
	defer b.stop()
	id := b.submit(t, "h")
	w, err := b.Tasks().WaitingFor(t.Context(), id)
	require.NoError(t, err)
	require.Contains(t, w.Text, "everything is paused")
	_, err = b.Queues().ResumeAll(t.Context())
	require.NoError(t, err)
	b.wait(t, id)
}

// A namespace pauses itself alone.
func TestEverythingIsThatOfANamespace(t *testing.T) {
	b := open(t, engine.Config{})
	nothing(0, b.Engine)
	b.run(t)
	defer b.stop()
	mux := engine.RoutesOf(b.Engine)
	theirs := newTenant(t, b, mux, "theirs")
	paused := theirs.made(t, "POST", "/v1/pause", "")
	require.Equal(t, []any{"theirs", true}, []any{paused["namespace"], paused["paused"]})
	b.wait(t, b.submit(t, "h"))
	id := theirs.made(t, "POST", "/v1/tasks", `{"handler":"h"}`)["id"].(string)
	waits := theirs.made(t, "GET", "/v1/tasks/"+id, "")["waiting_for"].(map[string]any)
	require.Equal(t, "paused", waits["cause"])
	ours := newTenant(t, b, mux, "default")
	require.Equal(t, false, ours.made(t, "GET", "/v1/me", "")["paused"])
	ours.made(t, "POST", "/v1/resume", "")
	require.Equal(t, true, theirs.made(t, "GET", "/v1/me", "")["paused"], "another one's resume is nothing to it")
	theirs.made(t, "POST", "/v1/resume", "")
	require.Eventually(t, func() bool { return theirs.made(t, "GET", "/v1/tasks/"+id, "")["state"] == "succeeded" }, 5*time.Second, 5*time.Millisecond)
}
