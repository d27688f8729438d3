package sendoff_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// realServer runs an engine behind its doors, for the client with that key.
func realServer(t *testing.T, key string) *sendoff.Client {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{AllowLoopback: true})
	require.NoError(t, err)
	e.HandleFunc("echo", func(context.Context, *engine.Call) error { return nil })
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{APIKeys: []string{key}}))
	t.Cleanup(func() {
		door.Close()
		stop()
		require.NoError(t, <-ended)
		require.NoError(t, db.Close())
	})
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: door.URL, APIKey: key})
	require.NoError(t, err)
	return c
}

func TestTheClientAndTheEngineAgree(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wrong" {
			http.Error(w, "never", http.StatusUnprocessableEntity)
		}
	}))
	defer app.Close()

	none := 0.0
	sent := sendoff.NewTask{
		URL: app.URL + "/wrong", ID: "mine", Queue: "q", Name: "n", Method: "PUT", Headers: map[string]string{"X-A": "b"},
		Payload: map[string]int{"n": 1}, Priority: new(0), Group: "g", Timeout: 90 * time.Second, Labels: map[string]string{"l": "v"},
		Retry:  &sendoff.RetryPolicy{MaxAttempts: 3, MaxAge: time.Hour, MinBackoff: 100 * time.Millisecond, MaxBackoff: time.Minute, Factor: 3, Jitter: &none},
		Unique: &sendoff.Unique{Key: "u", Window: time.Hour},
	}
	task, err := c.Submit(ctx, sent)
	require.NoError(t, err)
	require.False(t, task.Existing || task.Replayed)
	_, err = c.Wait(ctx, "mine")
	require.NoError(t, err)
	task, err = c.Get(ctx, "mine")
	require.NoError(t, err)
	require.Equal(t, "failed rejected", string(task.State)+" "+task.Reason)
	require.JSONEq(t, `{"n":1}`, string(task.Payload))
	require.Equal(t, sent.Headers, task.Headers)
	require.Equal(t, []any{"PUT", "q", "n", "g", 0, sent.Timeout, sent.Labels, 422, "u"},
		[]any{task.Method, task.Queue, task.Name, task.Group, task.Priority, task.Timeout, task.Labels, task.LastStatus, task.UniqueKey})
	require.Equal(t, sent.Retry, task.Retry)
	require.WithinDuration(t, time.Now(), task.CreatedAt, time.Minute)

	attempts := collect(t, c.Tasks.Attempts(ctx, "mine"))
	require.Len(t, attempts, 1)
	require.Equal(t, []any{"reject", 422, "never\n"}, []any{attempts[0].Outcome, attempts[0].Status, attempts[0].Body})
	require.Positive(t, attempts[0].Duration)

	// Each key on its own, and what it says.
	again := sendoff.NewTask{URL: app.URL, Queue: "q", Unique: &sendoff.Unique{Key: "u"}}
	task, err = c.Submit(ctx, again)
	require.NoError(t, err)
	require.True(t, task.Existing)
	require.Equal(t, "mine", task.ID)
	again.Unique.OnConflict = sendoff.OnConflictReject
	_, err = c.Submit(ctx, again)
	require.True(t, sendoff.IsConflict(err), "%v", err)
	_, err = c.Submit(ctx, sendoff.NewTask{URL: app.URL, ID: "mine"})
	require.True(t, sendoff.IsConflict(err), "%v", err)
	once := sendoff.NewTask{Handler: "echo", IdempotencyKey: "once"}
	first, err := c.Submit(ctx, once)
	require.NoError(t, err)
	second, err := c.Submit(ctx, once)
	require.NoError(t, err)
	require.True(t, second.Replayed)
	require.Equal(t, first.ID, second.ID)

	items, err := c.SubmitMany(ctx, []sendoff.NewTask{{Handler: "echo", Delay: time.Hour}, {URL: "ftp://x"}}, false)
	require.NoError(t, err)
	require.Equal(t, "created", items[0].Status)
	require.Equal(t, sendoff.StateScheduled, items[0].Task.State)
	require.Equal(t, "invalid", items[1].Status)
	require.Equal(t, "url", items[1].Error.Fields[0].Field)

	_, err = c.SubmitMany(ctx, []sendoff.NewTask{once}, false)
	require.ErrorContains(t, err, "IdempotencyKey names a request with one task")

	_, err = c.Tasks.Run(ctx, items[0].Task.ID)
	require.NoError(t, err)
	task, err = c.Wait(ctx, items[0].Task.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.StateSucceeded, task.State)
	_, err = c.Tasks.Retry(ctx, task.ID)
	require.NoError(t, err)
	_, err = c.Wait(ctx, task.ID)
	require.NoError(t, err)
	_, err = c.Tasks.Cancel(ctx, task.ID)
	require.True(t, sendoff.IsConflict(err), "%v", err)
	require.NoError(t, c.Tasks.Delete(ctx, task.ID))
	_, err = c.Get(ctx, task.ID)
	require.True(t, sendoff.IsNotFound(err), "%v", err)

	var listed []string
	for task, err := range c.Tasks.List(ctx, sendoff.Filter{Queue: "q", States: []sendoff.State{sendoff.StateFailed}, Labels: sent.Labels, CreatedAfter: time.Now().Add(-time.Hour)}) {
		require.NoError(t, err)
		listed = append(listed, task.ID)
	}
	require.Equal(t, []string{"mine"}, listed)
}

func TestQueuesAreSteeredThroughTheClient(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	_, err := c.Submit(ctx, sendoff.NewTask{Handler: "echo", Queue: "q", Delay: time.Hour})
	require.NoError(t, err)
	queue, err := c.Queues.Pause(ctx, "q")
	require.NoError(t, err)
	require.True(t, queue.Paused)
	_, err = c.Submit(ctx, sendoff.NewTask{Handler: "echo", Queue: "q"})
	require.NoError(t, err)
	stats, err := c.Queues.Stats(ctx, "q")
	require.NoError(t, err)
	require.Equal(t, []int64{1, 1}, []int64{stats.Ready, stats.Scheduled})
	n, err := c.Queues.Purge(ctx, "q")
	require.NoError(t, err)
	require.Equal(t, 2, n)
	queue, err = c.Queues.Resume(ctx, "q")
	require.NoError(t, err)
	require.False(t, queue.Paused)
	queues, err := c.Queues.List(ctx)
	require.NoError(t, err)
	require.Equal(t, "q", queues[0].Name)
	_, err = c.Queues.Get(ctx, "other")
	require.True(t, sendoff.IsNotFound(err))
	nodes, err := c.Nodes.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"accept", "execute", "schedule"}, nodes[0].Roles)

	stranger, err := sendoff.NewClient(sendoff.ClientConfig{URL: c.URL(), APIKey: "wrong"})
	require.NoError(t, err)
	_, err = stranger.Queues.List(ctx)
	require.ErrorContains(t, err, "(401)")
}

func TestTheClientDeletesQueues(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	task, err := c.Submit(ctx, sendoff.NewTask{Handler: "echo", Queue: "once", Delay: time.Hour})
	require.NoError(t, err)
	err = c.Queues.Delete(ctx, "once")
	require.True(t, sendoff.IsConflict(err), "%v", err)
	require.ErrorContains(t, err, "not ended")
	_, err = c.Tasks.Cancel(ctx, task.ID)
	require.NoError(t, err)
	require.NoError(t, c.Queues.Delete(ctx, "once"))
	require.True(t, sendoff.IsNotFound(c.Queues.Delete(ctx, "once")))
}

// TestAFaultOfTheDatabaseIsAnAnswer: 503 in the words of a check, and no error of the client.
func TestAFaultOfTheDatabaseIsAnAnswer(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	e, err := engine.New(db, engine.Config{Examine: func(context.Context) (store.Health, error) {
		return store.Health{Database: "sqlite", Checks: []store.Check{{Name: "disk", Status: store.CheckFail, Detail: "it is full", Fix: "make room", Duration: 31 * time.Microsecond}}}, nil
	}})
	require.NoError(t, err)
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{APIKeys: []string{"key"}}))
	defer door.Close()
	res, err := http.Get(door.URL + "/v1/health")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)

	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: door.URL, APIKey: "key"})
	require.NoError(t, err)
	h, err := c.Health(t.Context())
	require.NoError(t, err)
	require.False(t, h.OK)
	require.Equal(t, sendoff.HealthSummary{Fail: 2}, h.Summary)
	require.Equal(t, "not started, or stopping", h.Checks[0].Detail)
	require.Equal(t, sendoff.HealthCheck{Name: "disk", Status: sendoff.HealthFail, Detail: "it is full", Fix: "make room", Duration: "31µs"}, h.Checks[1])
}

// TestViewsAreSaved: one of a name, under any name that a path can have; what leads elsewhere
// than to a page is refused.
func TestViewsAreSaved(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	made, err := c.Views.Set(ctx, "a/b?c", sendoff.NewView{Path: "/queues/a%2Fb", Query: "q=%00&x=y+z"})
	require.NoError(t, err)
	changed, err := c.Views.Set(ctx, "a/b?c", sendoff.NewView{Path: "/tasks"})
	require.NoError(t, err)
	require.Equal(t, made.CreatedAt, changed.CreatedAt)
	require.True(t, changed.UpdatedAt.After(made.UpdatedAt))
	all, err := c.Views.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []sendoff.View{{Name: "a/b?c", Path: "/tasks", CreatedAt: made.CreatedAt, UpdatedAt: changed.UpdatedAt}}, all)

	for field, bad := range map[string][]sendoff.NewView{
		"path":  {{}, {Path: "//evil.example"}, {Path: "/\\evil.example"}, {Path: "tasks"}, {Path: "/a/../b"}, {Path: "/tasks?x"}, {Path: "/" + strings.Repeat("x", 500)}},
		"query": {{Path: "/tasks", Query: "?a=b"}, {Path: "/tasks", Query: "a=%zz"}, {Path: "/tasks", Query: strings.Repeat("x", 2049)}},
	} {
		for _, v := range bad {
			_, err := c.Views.Set(ctx, "n", v)
			var p *sendoff.Problem
			require.ErrorAs(t, err, &p, "%+v", v)
			require.Equal(t, []any{422, field}, []any{p.Status, p.Fields[0].Field}, "%+v", v)
		}
	}
	require.NoError(t, c.Views.Delete(ctx, "a/b?c"))
	require.True(t, sendoff.IsNotFound(c.Views.Delete(ctx, "a/b?c")))
}
