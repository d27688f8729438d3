package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

func TestASubmissionIsAnsweredWithItsEnd(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	release := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-release
		case "/wrong":
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	defer app.Close()
	defer close(release)

	code, header, got := d.call(t, "POST", "/v1/tasks?wait=30s", `{"url":"`+app.URL+`","payload":{"n":1}}`)
	require.Equal(t, []any{201, "succeeded", map[string]any{"n": 1.0}}, []any{code, got["state"], got["payload"]})
	_, _, again := d.call(t, "GET", header.Get("Location"), "")
	require.Equal(t, again, got, "it is what GET shows")

	code, _, got = d.call(t, "POST", "/v1/tasks?wait=30", `{"url":"`+app.URL+`/wrong"}`)
	require.Equal(t, []any{201, "failed", "rejected", 422.0}, []any{code, got["state"], got["reason"], got["last_status"]})

	began := time.Now()
	code, _, got = d.call(t, "POST", "/v1/tasks?wait=200ms", `{"id":"slow","url":"`+app.URL+`/slow"}`)
	require.Equal(t, []any{201, "running"}, []any{code, got["state"]}, "as it is after that time")
	require.Less(t, time.Since(began), 20*time.Second)
	code, _, got = d.call(t, "POST", "/v1/tasks?wait=10ms", `{"url":"`+app.URL+`","delay":"1h"}`)
	require.Equal(t, []any{201, "scheduled", "due"}, []any{code, got["state"], got["waiting_for"].(map[string]any)["cause"]})

	code, _, first := d.call(t, "POST", "/v1/tasks?wait=30s", `{"url":"`+app.URL+`"}`, "Idempotency-Key", "k")
	require.Equal(t, []any{201, "succeeded"}, []any{code, first["state"]})
	code, header, got = d.call(t, "POST", "/v1/tasks?wait=30s", `{"url":"`+app.URL+`"}`, "Idempotency-Key", "k")
	require.Equal(t, []any{200, "true"}, []any{code, header.Get("Idempotent-Replayed")})
	require.Equal(t, first, got, "whoever lost the answer gets it by asking again")
}

func TestAWaitOfASubmissionIsRefusedByName(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{APIKeys: []string{"all"}})
	d.key = "all"
	_, _, made := d.call(t, "POST", "/v1/api-keys", `{"name":"in","scopes":["enqueue"]}`)
	for query, want := range map[string]struct {
		code    int
		key, is string
	}{
		"?wait=soon":           {422, "all", "want a duration such as 30s, or seconds"},
		"?wait=-1s":            {422, "all", "want a duration"},
		"?wait=1s&wait=2s":     {422, "all", "wait"},
		"?wait=1s&priority=30": {422, "all", "priority"},
		"?wait=1s":             {403, made["key"].(string), "has no scope read"},
	} {
		code, _, got := d.call(t, "POST", "/v1/tasks"+query, `{"id":"x","url":"http://127.0.0.1:1"}`, "Authorization", "Bearer "+want.key)
		require.Equal(t, want.code, code, query)
		b, err := json.Marshal(got)
		require.NoError(t, err)
		require.Contains(t, string(b), want.is, query)
	}
	code, _, _ := d.call(t, "GET", "/v1/tasks/x", "")
	require.Equal(t, 404, code, "nothing was stored")
}

// TestWhoGoesAwayWhileWaitingChangesNothing: the task is stored and carried out.
func TestWhoGoesAwayWhileWaitingChangesNothing(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	began, release := make(chan struct{}), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(began); <-release }))
	defer app.Close()
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: d.url})
	require.NoError(t, err)
	ctx, gone := context.WithCancel(t.Context())
	go func() { <-began; gone() }()
	_, err = c.SubmitAndWait(ctx, sendoff.NewTask{ID: "mine", URL: app.URL})
	require.True(t, errors.Is(err, context.Canceled), "%v", err)
	close(release)
	got, err := c.Wait(t.Context(), "mine")
	require.NoError(t, err)
	require.Equal(t, []any{"succeeded", 1}, []any{string(got.State), got.Attempts})
	got, err = c.SubmitAndWait(t.Context(), sendoff.NewTask{URL: "http://127.0.0.1:1/" + url.PathEscape("ä"), Retry: &sendoff.RetryPolicy{MaxAttempts: 1}})
	require.NoError(t, err)
	require.Equal(t, "failed", string(got.State))
}

// TestTheEndOnAnotherNodeIsToldSoon: who waits at a node that carries nothing out.
func TestTheEndOnAnotherNodeIsToldSoon(t *testing.T) {
	var ended time.Time
	es := nodes(t, 2, func(node int, e *engine.Engine) {
		if node == 1 {
			e.HandleFunc("h", func(context.Context, *engine.Call) error {
				time.Sleep(100 * time.Millisecond)
				ended = time.Now()
				return nil
			})
		}
	})
	require.Eventually(t, func() bool {
		list, err := es[0].Nodes(t.Context())
		return err == nil && len(list) == 2
	}, 10*time.Second, 5*time.Millisecond)
	var waits []time.Duration
	for range 3 {
		r, err := es[0].Submit(t.Context(), engine.Task{Handler: "h"})
		require.NoError(t, err)
		got, err := es[0].Tasks().Wait(t.Context(), r.ID, time.Minute)
		require.NoError(t, err)
		require.Equal(t, task.Succeeded, got.State)
		waits = append(waits, time.Since(ended))
	}
	t.Logf("heard of the end after %v", waits)
}
