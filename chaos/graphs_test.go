//go:build linux

package chaos_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// evening is a run of a graph whose jobs write down from outside what they do: a line
// in the file runs for each Run, and a file of their own when it is done.
type evening struct {
	dir  string
	jobs int
}

// definition is layers of ten jobs, each of which needs two of the layer below.
func (e evening) definition() map[string]any {
	jobs, top := map[string]any{}, []string{}
	for i := range e.jobs {
		job := map[string]any{
			"check": map[string]any{"shell": `test -e "$D/done/$SENDOFF_JOB"`},
			"run":   map[string]any{"shell": `echo "$SENDOFF_JOB" >> "$D/runs"; sleep 0.05; touch "$D/done/$SENDOFF_JOB"`},
		}
		if i >= 10 {
			job["deps"] = []string{fmt.Sprint("j", i-10), fmt.Sprint("j", i-i%10-10+(i+1)%10)}
		}
		jobs[fmt.Sprint("j", i)] = job
		top = append(top, fmt.Sprint("j", i))
	}
	jobs["goal"] = map[string]any{"deps": top}
	return map[string]any{"goal": "goal", "env": map[string]string{"D": e.dir}, "jobs": jobs}
}

// done are the jobs that are in place, and how often each has run.
func (e evening) done(t *testing.T) (done map[string]bool, runs map[string]int) {
	t.Helper()
	done, runs = map[string]bool{}, map[string]int{}
	files, err := os.ReadDir(filepath.Join(e.dir, "done"))
	require.NoError(t, err)
	for _, f := range files {
		done[f.Name()] = true
	}
	text, err := os.ReadFile(filepath.Join(e.dir, "runs"))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	for _, name := range strings.Fields(string(text)) {
		runs[name]++
	}
	return done, runs
}

// TestGraphRunOutlivesKills: the server is killed in the middle, again and again. The
// run reaches its goal, and what was in place at a kill is not run again.
func TestGraphRunOutlivesKills(t *testing.T) {
	skipShort(t)
	e := evening{dir: t.TempDir(), jobs: heavy(40, 300)}
	require.NoError(t, os.Mkdir(filepath.Join(e.dir, "done"), 0o700))
	s := newServer(t, sendoff(t), filepath.Join(t.TempDir(), "sendoff.db"))
	s.args = append(s.args, "--process-commands", "sh")
	s.start()
	id := e.begin(t, s)
	kills := heavy(2, 20)
	for i := range kills {
		least := e.jobs * (i + 1) / (kills + 1)
		waitFor(t, time.Minute, "jobs get done", func() bool { done, _ := e.done(t); return len(done) >= least })
		if i%2 == 0 {
			s.kill()
		} else {
			s.signal(syscall.SIGTERM)
			require.Equal(t, 0, s.end(40*time.Second))
		}
		time.Sleep(200 * time.Millisecond) // commands that outlive the server end
		before, runs := e.done(t)
		s.start()
		defer func() {
			_, after := e.done(t)
			for name := range before {
				require.Equal(t, runs[name], after[name], "%s was in place at kill %d, and ran again", name, i+1)
			}
		}()
	}
	e.reached(t, s, id, 4*kills)
}

// TestGraphRunOutlivesItsNodes: nodes over PostgreSQL are killed for good, the one that
// took the run in first.
func TestGraphRunOutlivesItsNodes(t *testing.T) {
	skipShort(t)
	e := evening{dir: t.TempDir(), jobs: heavy(60, 300)}
	require.NoError(t, os.Mkdir(filepath.Join(e.dir, "done"), 0o700))
	c := startCluster(t, heavy(2, 4), "--process-commands", "sh")
	id := e.begin(t, c.nodes[0])
	kills := len(c.nodes) - 1
	for i, s := range c.nodes[:kills] {
		least := e.jobs * (i + 1) / (kills + 2)
		waitFor(t, time.Minute, "jobs get done", func() bool { done, _ := e.done(t); return len(done) >= least })
		s.kill()
	}
	e.reached(t, c.nodes[kills], id, 4*kills)
}

// begin has a server run the graph, and returns the id of the run.
func (e evening) begin(t *testing.T, s *server) string {
	t.Helper()
	var run struct{ ID string }
	code, err := call(t.Context(), http.MethodPost, "http://"+s.addr+"/v1/graph-runs", "one-evening", map[string]any{
		"graph": "evening", "definition": e.definition(), "parallel": 4,
	}, &run)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, code)
	return run.ID
}

// reached waits until the run has reached its goal, and counts what ran more than once:
// at most so many jobs were cut off.
func (e evening) reached(t *testing.T, s *server, id string, cut int) {
	t.Helper()
	var run struct {
		State string
		Jobs  []struct{ Name, State string }
	}
	waitFor(t, time.Minute, "the run ends", func() bool {
		_, err := s.get("/v1/graph-runs/"+id, &run)
		return err == nil && run.State != "running" && run.State != "queued"
	})
	require.Equal(t, "succeeded", run.State)
	require.Len(t, run.Jobs, e.jobs+1)
	done, runs := e.done(t)
	require.Len(t, done, e.jobs)
	more := 0
	for _, n := range runs {
		more += n - 1
	}
	t.Logf("%d jobs: %d runs that were cut off began again", e.jobs, more)
	require.LessOrEqual(t, more, cut, "at most what was under way when its node was gone")
}
