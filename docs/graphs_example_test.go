package docs_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/graphrun"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// The code of the page about job graphs, compiled and run.

func makeSite(ctx context.Context, file string) error {
	page := &jobgraph.Job{
		Name: "Page",
		Check: func(context.Context, *jobgraph.Attempt) error {
			_, err := os.Stat(file)
			return err // nil: it is in place
		},
		Run: func(context.Context, *jobgraph.Attempt) error {
			return os.WriteFile(file, []byte("hello"), 0o644)
		},
	}
	site := jobgraph.Group("Site", page)
	result, err := jobgraph.Run(ctx, site, jobgraph.Config{Parallel: 4, Observe: jobgraph.Lines(os.Stderr, false)})
	if err != nil {
		return err // the graph is wrong: nothing was called
	}
	return result.Err() // nil: the goal was reached
}

func makeSiteDurably(ctx context.Context, e *engine.Engine, site *jobgraph.Job) error {
	runs, err := graphrun.New("site", graphrun.Config{Goal: site})
	if err != nil {
		return err // the graph is wrong
	}
	endpoint, err := runs.Serve(sendoff.EndpointConfig{Engine: e})
	if err != nil {
		return err
	}
	defer endpoint.Close()
	run, err := runs.Start(ctx, graphrun.Input{Parallel: 4}, sendoff.NewTask{})
	if err != nil {
		return err
	}
	result, err := runs.Wait(ctx, run.ID)
	if err != nil {
		return err // it was canceled
	}
	return result.JobGraph().Err() // nil: the goal was reached
}

func TestTheFirstGraphMakesItsPageDurably(t *testing.T) {
	site := jobgraph.Group("Site", &jobgraph.Job{Name: "Page", Run: func(context.Context, *jobgraph.Attempt) error { return nil }})
	require.NoError(t, makeSiteDurably(t.Context(), startedEngine(t), site))
}

func TestTheFirstGraphMakesItsPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "index.html")
	require.NoError(t, makeSite(t.Context(), file))
	require.FileExists(t, file)
}

func noTask(context.Context, *graphfile.TaskCall, io.Writer) (json.RawMessage, error) {
	return nil, errors.New("nothing is called here")
}

// TestTheGraphsOfThePageAreGraphs: each can be loaded, and has a goal.
func TestTheGraphsOfThePageAreGraphs(t *testing.T) {
	found := 0
	for _, text := range blocks(pages(t)["graphs.md"], "yaml") {
		given := map[string]any{}
		if strings.Contains(text, "  site:") {
			given["site"] = "news"
		}
		f, err := graphfile.Parse("graphs.md", t.TempDir(), []byte(text))
		require.NoError(t, err, text)
		_, err = f.Goal(given, graphfile.Host{Task: noTask})
		require.NoError(t, err, text)
		found++
	}
	require.Equal(t, 7, found)
}
