package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// recorded runs a graph of two jobs, of which the second prints, with a record.
func recorded(t *testing.T, cfg jobgraph.Config) *record {
	t.Helper()
	first := &jobgraph.Job{Name: "First", Check: func(context.Context, *jobgraph.Attempt) error { return nil }}
	second := &jobgraph.Job{
		Name: "Second/ä", Deps: []*jobgraph.Job{first, first}, Tries: 1,
		Run: func(_ context.Context, a *jobgraph.Attempt) error {
			fmt.Fprintln(a.Log(), "hello")
			a.Local["tent"] = "up"
			return errors.New("no")
		},
		Cleanup: func(context.Context, *jobgraph.Attempt) error { return nil },
	}
	g, err := jobgraph.New(second)
	require.NoError(t, err)
	r, err := newRecord(wholePath("some.yaml"), &opened{Graph: g, Lasting: true}, &cfg)
	require.NoError(t, err)
	cfg.Observe = r.observe
	cfg.Output = func(job string, attempt int) io.Writer { return r.log(job, attempt) }
	res, err := g.Run(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, r.end(res))
	return r
}

func TestARunIsForItsUserAlone(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	r := recorded(t, jobgraph.Config{Inputs: map[string]any{"password": "x"}})
	require.NoError(t, filepath.Walk(r.dir, func(path string, info os.FileInfo, err error) error {
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s: %v", path, info.Mode())
		return nil
	}))
}

func TestARunIsReadAsItWasWritten(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	written := recorded(t, jobgraph.Config{NoCleanup: true})
	r, err := findRun("some.yaml")
	require.NoError(t, err)
	require.Equal(t, written.run.ID, r.ID)
	require.Equal(t, []string{"First"}, r.Jobs[1].Deps)
	row := r.tally().byName["Second/ä"]
	require.Equal(t, jobgraph.Failed, row.State)
	require.Equal(t, "no", row.Said)
	var left recordedStorage
	require.NoError(t, readJSON(filepath.Join(r.dir, storageFile), &left))
	require.Equal(t, []jobgraph.Left{{Job: "Second/ä", Attempt: 1, Local: map[string]any{"tent": "up"}}}, left.Left)
	text, err := os.ReadFile(filepath.Join(r.dir, logsDir, "0001-Second__-1.log"))
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(text))
}

// TestARunThatWasKilledIsReadFromItsEvents: there is no result then.
func TestARunThatWasKilledIsReadFromItsEvents(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	require.NoError(t, os.Remove(filepath.Join(recorded(t, jobgraph.Config{}).dir, resultFile)))
	r, err := findRun("")
	require.NoError(t, err)
	require.Nil(t, r.result)
	require.Equal(t, "not ended", r.end())
	require.Equal(t, jobgraph.Succeeded, r.tally().byName["First"].State)
	require.Equal(t, jobgraph.Failed, r.tally().byName["Second/ä"].State)
}

func TestTheLastRunsAreKept(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	first := recorded(t, jobgraph.Config{NoCleanup: true}) // has cleanups left: it stays
	second := recorded(t, jobgraph.Config{})
	var last *record
	for range keepRuns + 1 {
		last = recorded(t, jobgraph.Config{})
	}
	require.NoDirExists(t, second.dir)
	require.DirExists(t, first.dir)
	require.DirExists(t, last.dir)
	state, err := stateDir()
	require.NoError(t, err)
	ids, err := runIDs(state)
	require.NoError(t, err)
	require.Equal(t, last.run.ID, ids[0], "the last run is first")
	require.LessOrEqual(t, len(ids), keepRuns+1)
}
