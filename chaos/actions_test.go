//go:build linux

package chaos_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// actionJSON is what the tests read of what is done to many tasks.
type actionJSON struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Matched int    `json:"matched"`
	Done    int    `json:"done"`
	Passed  int    `json:"passed"`
	Failed  int    `json:"failed"`
}

// repair is an app that refuses everything, until it is repaired; what is sent to /late it
// refuses still.
type repair struct {
	*httptest.Server
	done atomic.Bool
}

func startRepair(t *testing.T) *repair {
	r := &repair{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/late") || !r.done.Load() {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// fail has n tasks of a queue fail, and returns when they have.
func (r *repair) fail(s *server, queue, path string, n int) {
	s.t.Helper()
	for at := 0; at < n; at += 500 {
		var tasks []map[string]any
		for i := at; i < min(at+500, n); i++ {
			tasks = append(tasks, map[string]any{"url": fmt.Sprintf("%s/%s/%d", r.URL, path, i), "queue": queue, "retry": map[string]any{"max_attempts": 1}})
		}
		code, err := call(s.t.Context(), http.MethodPost, "http://"+s.addr+"/v1/tasks/batch", "", map[string]any{"tasks": tasks, "atomic": true}, nil)
		require.NoError(s.t, err)
		require.Less(s.t, code, 300)
	}
	waitFor(s.t, time.Minute, "the tasks have failed", func() bool {
		var depth struct{ Ready, Running, Scheduled int }
		_, err := s.get("/v1/queues/"+queue+"/stats", &depth)
		return err == nil && depth.Ready+depth.Running+depth.Scheduled == 0
	})
}

// action reads how far an action came.
func (s *server) action(id string) (a actionJSON) {
	_, _ = s.get("/v1/actions/"+id, &a) // a server that starts says nothing yet
	return a
}

// TestABulkRetryThatIsKilledGoesOn: on the same node, and on another one. Each task that had
// failed before is run once more, and none of those that failed afterwards.
func TestABulkRetryThatIsKilledGoesOn(t *testing.T) {
	p := sendoff(t)
	t.Run("sqlite", func(t *testing.T) {
		s := newServer(t, p, filepath.Join(t.TempDir(), "sendoff.db"))
		s.start()
		killedRetry(t, s, s)
	})
	t.Run("postgres", func(t *testing.T) {
		db := postgres(t)
		s := newServer(t, p, db)
		s.start()
		killedRetry(t, s, newServer(t, p, db))
	})
}

// killedRetry has a server killed within a bulk retry, which heir goes on with.
func killedRetry(t *testing.T, s, heir *server) {
	app := startRepair(t)
	n := heavy(3000, 20_000)
	app.fail(s, "early", "early", n)
	app.done.Store(true)
	body := map[string]any{"action": "retry", "filter": map[string]any{"state": "failed"}, "dry_run": true}
	var look struct {
		Matched int `json:"matched"`
		Bound   any `json:"bound"`
	}
	_, err := call(t.Context(), http.MethodPost, "http://"+s.addr+"/v1/tasks/bulk", "", body, &look)
	require.NoError(t, err)
	require.Equal(t, n, look.Matched)
	app.fail(s, "late", "late", 50)
	body["dry_run"], body["bound"], body["rate"], body["reason"] = false, look.Bound, "1000/s", "the app is repaired"
	var begun actionJSON
	code, err := call(t.Context(), http.MethodPost, "http://"+s.addr+"/v1/tasks/bulk", "", body, &begun)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, code)
	waitFor(t, time.Minute, "it has begun", func() bool { return s.action(begun.ID).Done > 0 })
	if heir != s {
		heir.start() // the action is another one's
	}
	s.kill()
	if heir == s {
		heir.start()
	}
	cut := heir.action(begun.ID)
	require.Equal(t, "running", cut.State)
	require.Less(t, cut.Done, n, "it was killed in the middle")
	app.fail(heir, "late", "late", 50)
	waitFor(t, 3*time.Minute, "it has ended", func() bool { return heir.action(begun.ID).State == "done" })
	end := heir.action(begun.ID)
	t.Logf("killed after %d of %d", cut.Done, n)
	require.Equal(t, actionJSON{ID: begun.ID, State: "done", Matched: n, Done: n}, end)
	waitFor(t, time.Minute, "the tasks are retried", func() bool { return len(heir.tasks("early", "succeeded", 2)) == n })
	require.Len(t, heir.tasks("late", "failed", 1), 100, "what failed after its bound is as it was")
}

// tasks are the ids of those of a queue and state that are in a run.
func (s *server) tasks(queue, state string, run int) []string {
	s.t.Helper()
	var ids []string
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				ID  string `json:"id"`
				Run int    `json:"run"`
			} `json:"items"`
			NextCursor string `json:"next_cursor"`
		}
		_, err := s.get(fmt.Sprintf("/v1/tasks?queue=%s&state=%s&limit=500&cursor=%s", queue, state, cursor), &page)
		require.NoError(s.t, err)
		for _, item := range page.Items {
			if item.Run == run {
				ids = append(ids, item.ID)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return ids
		}
	}
}
