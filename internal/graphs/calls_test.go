package graphs_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/graphs"
)

// TestWhatCallsPrintIsOnRecord, the last of it, with how each call ended, cleanups too.
func TestWhatCallsPrintIsOnRecord(t *testing.T) {
	dir := t.TempDir()
	c := start(t, graphs.Config{Commands: []string{"any"}})
	run, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{
		RetryDelay: new(time.Duration), Inputs: map[string]any{"dir": dir},
		Definition: definition(t, `{"goal":"Page","inputs":{"dir":{}},"env":{"D":"${inputs.dir}"},"jobs":{"Page":{
			"check":{"shell":"echo looking; test -e $D/done || { echo no page >&2; exit 1; }"},
			"run":{"shell":"if test -e $D/once; then touch $D/done; seq 1 9999; else touch $D/once; echo first; fi"},
			"cleanup":{"shell":"echo swept"}}}}`),
	})
	require.NoError(t, err)
	run, err = c.GraphRuns.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphSucceeded, run.State, "%+v", run)

	calls, err := c.GraphRuns.Calls(t.Context(), run.ID, "Page")
	require.NoError(t, err)
	type line struct {
		attempt                int
		call, outcome, message string
	}
	var lines []line
	for _, c := range calls {
		lines = append(lines, line{c.Attempt, c.Call, c.Outcome, c.Message})
		require.Equal(t, "Page", c.Job)
		require.NotEmpty(t, c.TaskID)
	}
	require.Equal(t, []line{
		{1, "check", "fail", "no page"}, {1, "run", "pass", ""}, {1, "recheck", "fail", "no page"},
		{2, "check", "fail", "no page"}, {2, "run", "pass", ""}, {2, "recheck", "pass", ""},
		{2, "cleanup", "pass", ""}, {1, "cleanup", "pass", ""},
	}, lines)
	require.ElementsMatch(t, []string{"looking", "no page", ""}, strings.Split(calls[0].Output, "\n"), "of two pipes, in whatever order")
	require.Equal(t, "first\n", calls[1].Output)
	require.True(t, strings.HasSuffix(calls[4].Output, "\n9998\n9999\n"))
	require.Regexp(t, `^\d{4}\n`, calls[4].Output, "from the beginning of a line on")
	require.Equal(t, int64(9*2+90*3+900*4+9000*5), calls[4].OutputCut+int64(len(calls[4].Output)))
	require.Equal(t, "swept\n", calls[6].Output)

	_, err = c.GraphRuns.Calls(t.Context(), run.ID, "Nobody")
	require.ErrorContains(t, err, `has no job "Nobody"`)
	require.True(t, sendoff.IsNotFound(err))
}

// TestARunMayOnlyAsk: with no_act the first checks are called once, and each job gets a
// verdict. It waits for no other run of its graph.
func TestARunMayOnlyAsk(t *testing.T) {
	dir := t.TempDir()
	c := start(t, graphs.Config{Commands: []string{"any"}})
	n := sendoff.NewGraphRun{
		Graph: "g", Parallel: 3, Inputs: map[string]any{"dir": dir},
		Definition: definition(t, `{"goal":"Top","inputs":{"dir":{}},"env":{"D":"${inputs.dir}"},"jobs":{
			"Top":{"deps":["There","Missing","Only","Unknown"],"run":{"shell":"touch $D/top"}},
			"There":{"check":{"shell":"true"},"run":{"shell":"touch $D/there"}},
			"Missing":{"check":{"shell":"echo closed >&2; exit 1"},"run":{"shell":"touch $D/missing"},"cleanup":{"shell":"touch $D/cleaned"}},
			"Only":{"run":{"shell":"sleep 60"}},
			"Unknown":{"check":{"shell":"echo nobody answers >&2; exit 75"}}}}`),
	}
	first, err := c.GraphRuns.Start(t.Context(), n)
	require.NoError(t, err)
	n.NoAct, n.OnRunning = true, "refuse"
	run, err := c.GraphRuns.Start(t.Context(), n)
	require.NoError(t, err)
	require.True(t, run.NoAct)
	run, err = c.GraphRuns.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphFailed, run.State)
	require.Equal(t, 1, *run.Exit)
	found := map[string]string{}
	for _, j := range run.Jobs {
		found[j.Name] = strings.TrimSpace(j.Verdict + " " + j.Reason + strings.Join(j.WaitsFor, ","))
	}
	require.Equal(t, map[string]string{
		"There": "in_place", "Missing": "would_run closed", "Only": "would_run", "Unknown": "cannot_tell nobody answers", "Top": "would_wait Missing,Only,Unknown",
	}, found)
	require.Empty(t, run.Cleanups)
	require.NoFileExists(t, filepath.Join(dir, "top"))
	_, err = c.GraphRuns.Cancel(t.Context(), first.ID)
	require.NoError(t, err)
	first, err = c.GraphRuns.Wait(t.Context(), first.ID)
	require.NoError(t, err)
	require.Empty(t, first.Jobs[0].Verdict)
}
