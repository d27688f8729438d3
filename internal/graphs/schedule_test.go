package graphs_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/graphs"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// node is a server that carries out graphs, or only everything else.
func node(t *testing.T, open func(context.Context) (store.Store, error), carriesOut bool) (*sendoff.Client, func()) {
	t.Helper()
	db, err := open(context.Background())
	require.NoError(t, err)
	var cfg engine.Config
	if carriesOut {
		cfg.PlanGraph, err = graphs.Plan(graphs.Config{Commands: []string{"true"}})
		require.NoError(t, err)
	}
	e, err := engine.New(db, cfg)
	require.NoError(t, err)
	engine.Handle(e, "note", func(context.Context, json.RawMessage) error { return nil })
	doors, end := engine.HandlerConfig{}, func() {}
	if carriesOut {
		s, err := graphs.New(e, graphs.Config{Commands: []string{"true"}})
		require.NoError(t, err)
		doors.GraphRuns, end = s, s.Close
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	server := httptest.NewServer(e.Handler(doors))
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: server.URL})
	require.NoError(t, err)
	running := true
	halt := func() {
		if running {
			running = false
			server.Close()
			end()
			stop()
			require.NoError(t, errors.Join(<-ended, db.Close()))
		}
	}
	t.Cleanup(halt)
	return c, halt
}

func inFile(t *testing.T) func(context.Context) (store.Store, error) {
	path := filepath.Join(t.TempDir(), "sendoff.db")
	return func(ctx context.Context) (store.Store, error) { return sqlite.Open(ctx, path, sqlite.Options{}) }
}

func saved(t *testing.T, c *sendoff.Client, text string) {
	t.Helper()
	_, _, err := c.Graphs.Save(t.Context(), definition(t, text))
	require.NoError(t, err)
}

// fired waits until a schedule has so many fires, and returns them, the newest first.
func fired(t *testing.T, c *sendoff.Client, schedule string, n int) []sendoff.Fire {
	t.Helper()
	for {
		var all []sendoff.Fire
		for f, err := range c.Schedules.Fires(t.Context(), schedule) {
			require.NoError(t, err)
			all = append(all, f)
		}
		if len(all) >= n {
			return all
		}
		require.NoError(t, t.Context().Err())
		time.Sleep(20 * time.Millisecond)
	}
}

// TestAScheduleRunsAStoredGraph, as it is stored when it fires: one run each time, on one
// node and on two.
func TestAScheduleRunsAStoredGraph(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		c, _ := node(t, inFile(t), true)
		runsAStoredGraph(t, c)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dsn := testkit.Postgres(t)
		open := func(ctx context.Context) (store.Store, error) { return postgres.Open(ctx, dsn, postgres.Options{}) }
		_, _ = node(t, open, true)
		c, _ := node(t, open, true)
		runsAStoredGraph(t, c)
	})
}

func runsAStoredGraph(t *testing.T, c *sendoff.Client) {
	saved(t, c, `{"name":"site","jobs":{"old":{}}}`)
	saved(t, c, `{"name":"site","goal":"b","inputs":{"who":"nobody"},"jobs":{"b":{"deps":["a"]},"a":{"run":{"handler":"note","input":"${inputs.who}"}}}}`)
	set, err := c.Schedules.Set(t.Context(), "often", sendoff.ScheduleSpec{Every: "1s", Task: asJSON(t, sendoff.NewGraphRun{
		Graph: "site", Inputs: map[string]any{"who": "ada"}, Parallel: 2, Labels: map[string]string{"team": "web"},
	})})
	require.NoError(t, err)
	require.Equal(t, "serial", set.Overlap)
	fires := fired(t, c, "often", 3)
	_, err = c.Schedules.Pause(t.Context(), "often")
	require.NoError(t, err)
	fires = fired(t, c, "often", len(fires))
	ids := map[string]bool{}
	for _, f := range fires {
		if f.Outcome == "missed" { // it was due when it was paused
			continue
		}
		require.Equal(t, "fired", f.Outcome, f.Reason)
		ids[f.TaskID] = true
		run, err := c.GraphRuns.Wait(t.Context(), f.TaskID)
		require.NoError(t, err)
		require.Equal(t, []any{"succeeded", "site", 2, "often", "b"}, []any{run.State, run.Graph, run.Rev, run.Schedule, run.Goal}, "%+v", run)
		require.Equal(t, map[string]string{"team": "web"}, run.Labels)
	}
	listed := 0
	for run, err := range c.GraphRuns.List(t.Context(), "site") {
		require.NoError(t, err)
		require.True(t, ids[run.ID], "each run is of a fire")
		listed++
	}
	require.Len(t, ids, listed)
	made, err := c.Schedules.Run(t.Context(), "often")
	require.NoError(t, err)
	run, err := c.GraphRuns.Wait(t.Context(), made.ID)
	require.NoError(t, err)
	require.Equal(t, "succeeded", run.State)

	n := len(fired(t, c, "often", 1))
	require.NoError(t, c.Graphs.Delete(t.Context(), "site"))
	_, err = c.Schedules.Run(t.Context(), "often")
	require.ErrorContains(t, err, `task.graph: is "site": no graph of this name is stored`)
	_, err = c.Schedules.Resume(t.Context(), "often")
	require.NoError(t, err)
	require.Contains(t, skipped(t, c, n), `task.graph: is "site": no graph of this name is stored`)
	saved(t, c, `{"name":"site","inputs":{"whom":{}},"jobs":{"b":{}}}`)
	require.Eventually(t, func() bool {
		return skipped(t, c, n) == `task.inputs: no input "who": did you mean "whom"?`
	}, 30*time.Second, 50*time.Millisecond)
}

// skipped is why a schedule's last time came to nothing, when it has more than n.
func skipped(t *testing.T, c *sendoff.Client, n int) string {
	last := fired(t, c, "often", n+1)[0]
	require.Equal(t, "skipped", last.Outcome)
	return last.Reason
}

func asJSON(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// TestRunsOfAGraphDoNotOverlap, whoever begins them: with discard a time is skipped while
// any run goes on, without it runs wait.
func TestRunsOfAGraphDoNotOverlap(t *testing.T) {
	c, _ := node(t, inFile(t), true)
	saved(t, c, `{"name":"held","jobs":{"a":{"run":{"process":"nothing runs this","timeout":"1h"}}}}`)
	spec := sendoff.ScheduleSpec{Cron: "0 0 1 1 *", Task: json.RawMessage(`{"graph":"held"}`)}
	saved(t, c, `{"name":"held","jobs":{"a":{"run":{"function":"f","endpoint":"bridge://nobody","timeout":"1h"}}}}`)
	first, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{Graph: "held"})
	require.NoError(t, err)
	_, err = c.Schedules.Set(t.Context(), "held", spec)
	require.NoError(t, err)
	second, err := c.Schedules.Run(t.Context(), "held")
	require.NoError(t, err)
	run, err := c.GraphRuns.Get(t.Context(), second.ID)
	require.NoError(t, err)
	require.Equal(t, sendoff.GraphQueued, run.State)
	get := func(path string) string {
		res, err := http.Get(c.URL() + path)
		code, page := looked(t, res, err)
		require.Equal(t, 200, code, page)
		return page
	}
	page := get("/schedules/held")
	require.Contains(t, page, `runs the graph <a href="/graphs?graph=held">`)
	require.Contains(t, page, `href="/graph-runs/`+second.ID+`"`)
	page = get("/graph-runs/" + second.ID)
	require.Contains(t, page, `href="/schedules/held"`)
	require.Regexp(t, "<dt>Revision</dt>\\s*<dd>2</dd>", page)

	spec.Overlap = "discard"
	_, err = c.Schedules.Set(t.Context(), "held", spec)
	require.NoError(t, err)
	_, err = c.Schedules.Run(t.Context(), "held")
	require.True(t, sendoff.IsConflict(err), "%v", err)
	require.Contains(t, fired(t, c, "held", 2)[0].Reason, "overlap: task ")
	for _, id := range []string{second.ID, first.ID} {
		_, err := c.GraphRuns.Cancel(t.Context(), id)
		require.NoError(t, err)
	}
}

func TestAWrongGraphOfAScheduleIsRefused(t *testing.T) {
	c, _ := node(t, inFile(t), true)
	saved(t, c, `{"name":"site","inputs":{"n":{"type":"number","required":true}},"jobs":{"a":{}}}`)
	saved(t, c, `{"name":"shell","jobs":{"a":{"run":["rm","x"]}}}`)
	for text, want := range map[string]string{
		`{"graph":"none"}`:                    `task.graph: is "none": no graph of this name is stored`,
		`{"graph":""}`:                        "task.graph: is empty",
		`{"graph":7}`:                         "task.graph: is a JSON number: want text",
		`{"graph":"site"}`:                    `task.inputs: input "n" is required`,
		`{"graph":"site","inputs":{"n":"x"}}`: `task.inputs: input "n": "x": want a number`,
		`{"graph":"site","inputs":{"n":1},"url":"http://x"}`:      "task.graph: exactly one target is needed",
		`{"graph":"site","inputs":{"n":1},"payload":{}}`:          "task.payload: does not go with graph: want inputs",
		`{"graph":"site","inputs":{"n":1},"on_running":"refuse"}`: "task.on_running: is not a known field",
		`{"graph":"site","inputs":{"n":1},"parallel":1001}`:       "task.parallel: is 1001: want 1 to 1000",
		`{"graph":"site","inputs":{"n":1},"only":["b"]}`:          `task.graph: is "site", of which no run can be made`,
		`{"graph":"site","inputs":{"n":1},"retry_delay":"soon"}`:  "task.retry_delay",
		`{"graph":"shell"}`:              "--process-commands rm",
		`{"url":"http://x","inputs":{}}`: "task.inputs: is not a known field",
	} {
		_, err := c.Schedules.Set(t.Context(), "s", sendoff.ScheduleSpec{Every: "1h", Task: json.RawMessage(text)})
		p, ok := errors.AsType[*sendoff.Problem](err)
		require.True(t, ok, "%s: %v", text, err)
		require.Equal(t, http.StatusUnprocessableEntity, p.Status, text)
		require.Contains(t, p.Error(), want, text)
	}
	_, err := c.Schedules.Set(t.Context(), "s", sendoff.ScheduleSpec{Every: "1h", Overlap: "parallel", Task: json.RawMessage(`{"graph":"site","inputs":{"n":1}}`)})
	require.ErrorContains(t, err, "overlap: is \"parallel\": two runs of a graph do not go on at the same time")
	_, err = c.Schedules.Get(t.Context(), "s")
	require.True(t, sendoff.IsNotFound(err))

	plain, _ := node(t, inFile(t), false)
	saved(t, plain, `{"name":"site","jobs":{"a":{}}}`)
	_, err = plain.Schedules.Set(t.Context(), "s", sendoff.ScheduleSpec{Every: "1h", Task: json.RawMessage(`{"graph":"site"}`)})
	require.ErrorContains(t, err, "task.graph: needs a server that carries out graphs")
}

// TestAGraphIsLeftToANodeThatCanRunIt: one that cannot fires what else is due.
func TestAGraphIsLeftToANodeThatCanRunIt(t *testing.T) {
	open := inFile(t)
	c, halt := node(t, open, true)
	saved(t, c, `{"name":"site","jobs":{"a":{}}}`)
	due := time.Now().Add(time.Second).Format(time.RFC3339Nano)
	for name, text := range map[string]string{"graph": `{"graph":"site"}`, "plain": `{"handler":"note"}`} {
		_, err := c.Schedules.Set(t.Context(), name, sendoff.ScheduleSpec{At: due, Task: json.RawMessage(text)})
		require.NoError(t, err)
	}
	halt()
	c, halt = node(t, open, false)
	require.Equal(t, "fired", fired(t, c, "plain", 1)[0].Outcome)
	one, err := c.Schedules.Get(t.Context(), "graph")
	require.NoError(t, err)
	require.Nil(t, one.Last, "it is due still")
	halt()
	c, _ = node(t, open, true)
	f := fired(t, c, "graph", 1)[0]
	require.Equal(t, "fired", f.Outcome, f.Reason)
	run, err := c.GraphRuns.Wait(t.Context(), f.TaskID)
	require.NoError(t, err)
	require.Equal(t, "succeeded", run.State)
}

// TestADeclaredGraphMayBeStoredLater: a server starts without it, and with one that does not
// fit any more; times are skipped meanwhile.
func TestADeclaredGraphMayBeStoredLater(t *testing.T) {
	db, err := inFile(t)(t.Context())
	require.NoError(t, err)
	defer db.Close()
	planGraph, err := graphs.Plan(graphs.Config{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{PlanGraph: planGraph})
	require.NoError(t, err)
	s, err := graphs.New(e, graphs.Config{})
	require.NoError(t, err)
	defer s.Close()
	declare := func(text string) error {
		return e.Schedules().Declare(t.Context(), map[string]json.RawMessage{"site": json.RawMessage(text)})
	}
	const declared = `{"every":"1h","task":{"graph":"site","inputs":{"who":"ada"}}}`
	require.NoError(t, declare(declared))
	_, err = e.Schedules().Run(t.Context(), "site")
	require.ErrorContains(t, err, `task.graph: is "site": no graph of this name is stored`)
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://embedded", HTTPClient: &http.Client{Transport: e.Transport()}})
	require.NoError(t, err)
	saved(t, c, `{"name":"site","jobs":{"a":{}}}`)
	require.NoError(t, declare(declared), "it does not take the input")
	saved(t, c, `{"name":"site","inputs":{"who":""},"jobs":{"a":{}}}`)
	_, err = e.Schedules().Run(t.Context(), "site")
	require.NoError(t, err)
	require.ErrorContains(t, declare(`{"every":"1h","task":{"graph":"site","parallel":2000}}`), "task.parallel: is 2000")
	require.ErrorContains(t, declare(`{"every":"1h","task":{"graph":"none","colour":"red"}}`), "task.colour: is not a known field")
}
