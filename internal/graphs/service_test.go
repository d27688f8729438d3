package graphs_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/graphs"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// start runs an engine that carries out graphs, and returns a client of it. Each of set
// is called before the engine runs.
func start(t *testing.T, cfg graphs.Config, set ...func(*engine.Engine)) *sendoff.Client {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{AllowLoopback: true})
	require.NoError(t, err)
	for _, f := range set {
		f(e)
	}
	s, err := graphs.New(e, cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	doors := httptest.NewServer(e.Handler(engine.HandlerConfig{GraphRuns: s}))
	t.Cleanup(func() {
		doors.Close()
		s.Close()
		stop()
		require.NoError(t, errors.Join(<-ended, db.Close()))
	})
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: doors.URL})
	require.NoError(t, err)
	return c
}

func definition(t *testing.T, text string) json.RawMessage {
	require.True(t, json.Valid([]byte(text)), text)
	return json.RawMessage(text)
}

func states(run *sendoff.GraphRun) map[string]string {
	out := map[string]string{}
	for _, j := range run.Jobs {
		out[j.Name] = j.State + " " + j.How
	}
	return out
}

// TestAGraphIsRun from its definition: commands, requests, inputs and storages.
func TestAGraphIsRun(t *testing.T) {
	dir := t.TempDir()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := os.Stat(filepath.Join(dir, "made")); err != nil {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer app.Close()
	c := start(t, graphs.Config{Commands: []string{"touch", "test"}})
	run, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{
		Graph: "site", Inputs: map[string]any{"dir": dir, "url": app.URL}, Parallel: 2,
		Definition: definition(t, `{"goal":"up","inputs":{"dir":{},"url":{}},"jobs":{
			"file":{"check":{"command":["test","-e","${inputs.dir}/made"]},"run":{"command":["touch","${inputs.dir}/made"]}},
			"up":{"deps":["file"],"check":{"http":{"url":"${inputs.url}","method":"GET"}}}}}`),
	})
	require.NoError(t, err)
	run, err = c.GraphRuns.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphSucceeded, run.State, "%+v", run)
	require.Equal(t, map[string]string{"file": "succeeded achieved", "up": "succeeded in_place"}, states(run))
	require.FileExists(t, filepath.Join(dir, "made"))
	require.Equal(t, 0, *run.Exit)

	var listed []string
	for r, err := range c.GraphRuns.List(t.Context(), "site") {
		require.NoError(t, err)
		require.Equal(t, sendoff.GraphSucceeded, r.State)
		listed = append(listed, r.ID)
	}
	require.Equal(t, []string{run.ID}, listed)
	res, err := http.Get(c.URL() + "/v1/graph-runs/" + run.ID + "/graph.svg")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "image/svg+xml", res.Header.Get("Content-Type"))
}

// TestARunIsTriedAgain without what is done, and its runs stand behind one another.
func TestARunIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	c := start(t, graphs.Config{Commands: []string{"any"}})
	run, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{
		Graph: "g", RetryDelay: new(time.Duration), Tries: 1, Inputs: map[string]any{"dir": dir},
		Definition: definition(t, `{"goal":"b","inputs":{"dir":{}},"env":{"D":"${inputs.dir}"},"jobs":{
			"0":{},
			"a":{"deps":["0"],"run":{"shell":"echo a >> $D/runs"}},
			"b":{"deps":["a"],"check":{"command":["test","-e","${inputs.dir}/free"]}}}}`),
	})
	require.NoError(t, err)
	run, err = c.GraphRuns.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphFailed, run.State)
	require.Equal(t, 1, *run.Exit)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "free"), nil, 0o600))
	again, err := c.GraphRuns.Retry(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, run.ID, again.RetryOf)
	require.Equal(t, []string{"0"}, again.Jobs[1].Deps)
	made, err := c.Get(t.Context(), again.ID)
	require.NoError(t, err)
	require.Contains(t, string(made.Payload), `"name":"a","deps":null`, "deps are not carried twice")
	again, err = c.GraphRuns.Wait(t.Context(), again.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphSucceeded, again.State, "%+v", again)
	text, err := os.ReadFile(filepath.Join(dir, "runs"))
	require.NoError(t, err)
	require.Equal(t, "a\n", string(text), "what was done is not done again")
	_, err = c.GraphRuns.Retry(t.Context(), again.ID)
	require.True(t, sendoff.IsConflict(err), "%v", err)
}

// TestTwoRunsOfAGraphDoNotFight: the second waits, or is refused; a cancel ends one and
// cleans up.
func TestTwoRunsOfAGraphDoNotFight(t *testing.T) {
	dir := t.TempDir()
	c := start(t, graphs.Config{Commands: []string{"any"}})
	slow := sendoff.NewGraphRun{
		Graph: "slow", Inputs: map[string]any{"dir": dir}, Definition: definition(t, `{"goal":"b","inputs":{"dir":{}},"env":{"D":"${inputs.dir}"},"jobs":{
			"b":{"deps":["a"]},
			"a":{"run":{"shell":"touch $D/began; sleep 60"},"cleanup":{"shell":"touch $D/cleaned"}}}}`),
	}
	first, err := c.GraphRuns.Start(t.Context(), slow)
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "began")); return err == nil }, 20*time.Second, 10*time.Millisecond)
	refused := slow
	refused.OnRunning = "refuse"
	_, err = c.GraphRuns.Start(t.Context(), refused)
	require.True(t, sendoff.IsConflict(err), "%v", err)
	require.ErrorContains(t, err, first.ID)
	second, err := c.GraphRuns.Start(t.Context(), slow)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphQueued, second.State)

	for _, id := range []string{second.ID, first.ID} {
		_, err = c.GraphRuns.Cancel(t.Context(), id)
		require.NoError(t, err)
		run, err := c.GraphRuns.Wait(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, sendoff.GraphCanceled, run.State)
		require.Equal(t, map[string]string{"a": "canceled ", "b": "canceled "}, states(run), "none waits for ever")
	}
	require.FileExists(t, filepath.Join(dir, "cleaned"))
}

// TestCommandsGetNoSecretsOfTheServer, only what they are to have.
func TestCommandsGetNoSecretsOfTheServer(t *testing.T) {
	t.Setenv("SENDOFF_API_KEYS", "secret")
	c := start(t, graphs.Config{Commands: []string{"sh"}, Env: []string{"PATH=" + os.Getenv("PATH"), "GIVEN=yes"}})
	run, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{
		Tries: 1, Definition: definition(t, `{"goal":"a","env":{"OWN":"x"},"jobs":{"a":{"run":{"shell":"test -z \"$SENDOFF_API_KEYS\" && test \"$GIVEN$OWN\" = yesx"}}}}`),
	})
	require.NoError(t, err)
	run, err = c.GraphRuns.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphSucceeded, run.State, "%+v", run.Jobs)
}

// TestAStoredGraphIsRunByItsName, as it is stored when the run begins.
func TestAStoredGraphIsRunByItsName(t *testing.T) {
	c := start(t, graphs.Config{})
	for _, goal := range []string{"old", "new"} {
		_, _, err := c.Graphs.Save(t.Context(), definition(t, `{"name":"site","goal":"`+goal+`","jobs":{"`+goal+`":{}}}`))
		require.NoError(t, err)
		run, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{Graph: "site"})
		require.NoError(t, err)
		run, err = c.GraphRuns.Wait(t.Context(), run.ID)
		require.NoError(t, err)
		require.Equal(t, goal, run.Goal)
		require.Equal(t, sendoff.GraphSucceeded, run.State)
	}
}

func TestAWrongGraphIsRefused(t *testing.T) {
	c := start(t, graphs.Config{Commands: []string{"true"}})
	for text, want := range map[string]string{
		`{"goal":"a","jobs":{"a":{"deps":["b"]}}}`:             `"b"`,
		`{"goal":"a","jobs":{"a":{"deps":["a"]}}}`:             "itself",
		`{"goal":"a","jobs":{"a":{"run":{"command":["rm"]}}}}`: "--process-commands rm",
		`{"goal":"a","jobs":{"a":{"run":{"shell":"x"}}}}`:      "--process-commands sh",
		`{"goal":"a","jobs":{"a":{"tries":0}}}`:                "tries",
		`{"goal":"a","colour":"red","jobs":{"a":{}}}`:          "colour",
		`{}`: "jobs",
	} {
		_, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{Definition: definition(t, text)})
		p, ok := errors.AsType[*sendoff.Problem](err)
		require.True(t, ok, "%s: %v", text, err)
		require.Equal(t, http.StatusUnprocessableEntity, p.Status, text)
		require.Contains(t, p.Error(), want, text)
		for _, f := range p.Fields {
			require.NotContains(t, f.Message, "definition", "the field says where it is")
		}
	}
	for _, in := range []sendoff.NewGraphRun{{}, {Graph: "none"}, {Definition: definition(t, `{"goal":"a","jobs":{"a":{}}}`), Only: []string{"x"}}} {
		_, err := c.GraphRuns.Start(t.Context(), in)
		p, ok := errors.AsType[*sendoff.Problem](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, http.StatusUnprocessableEntity, p.Status)
	}
	for range c.Tasks.List(t.Context(), sendoff.Filter{}) {
		t.Fatal("nothing was stored")
	}
	_, err := c.GraphRuns.Get(t.Context(), "01a21c02-ff4e-74bb-b63c-483d61bd0850")
	require.True(t, sendoff.IsNotFound(err))
}
