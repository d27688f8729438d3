package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// cleanupCmd calls the cleanups that a run has left.
type cleanupCmd struct {
	What    string `arg:"" placeholder:"FILE" help:"The file that was run."`
	RunID   string `name:"run" placeholder:"ID" help:"Of this run; default the last one of the file that has left some."`
	Verbose bool   `short:"v" help:"Print a line for each call on stderr."`
	Debug   bool   `help:"As --verbose, with the traces of what failed."`
	JSON    bool   `name:"json" help:"Print each call as a line of JSON."`
}

// Run calls them, the latest first.
func (c *cleanupCmd) Run(ctx context.Context, t *term.Terminal) error {
	run, err := c.find()
	if err != nil {
		return refused(err)
	}
	var left recordedStorage
	storage := filepath.Join(run.dir, storageFile)
	if err := readJSON(storage, &left); err != nil {
		return fmt.Errorf("what the run has left cannot be read: %w", err)
	}
	g, err := open(ctx, c.What, given{inputs: run.Inputs, stderr: t.Stderr})
	if err != nil {
		return refused(err)
	}
	defer g.Close()
	ctx, _, stop := interruptible(ctx, g.Kill)
	defer stop()
	out := newPrefix(t.Stderr)
	defer out.flush()
	done, err := g.CleanUp(ctx, jobgraph.Config{
		Inputs: g.Inputs, Args: run.Args, Observe: c.observer(t), Output: func(job string, _ int) io.Writer { return out.of(job) },
	}, left.Left, left.Shared)
	if err != nil {
		return refused(err)
	}
	left.Left = []jobgraph.Left{}
	if err := writeJSON(storage, left); err != nil {
		return err
	}
	failed := 0
	for _, d := range done {
		if d.Err != nil {
			failed++
		}
	}
	if !c.JSON {
		t.Printf("%s, %d failed\n", term.Counted(len(done), "cleanup"), failed)
	}
	if failed > 0 {
		return exit(jobgraph.ExitCleanup)
	}
	return nil
}

// find returns the last run of the file that has left cleanups.
func (c *cleanupCmd) find() (*keptRun, error) {
	if isPython(c.What) {
		return nil, errors.New("the objects of Python classes end with the run: a script calls cleanup() itself, see sendoff graph exec")
	}
	state, err := stateDir()
	if err != nil {
		return nil, err
	}
	ids, _ := runIDs(state)
	for _, id := range ids {
		if c.RunID != "" && id != c.RunID {
			continue
		}
		r, err := openRun(filepath.Join(state, id))
		if err != nil || r.What != wholePath(c.What) {
			continue
		}
		var s recordedStorage
		if readJSON(filepath.Join(r.dir, storageFile), &s) == nil && (len(s.Left) > 0 || c.RunID != "") {
			return r, nil
		}
	}
	return nil, errors.New("no run of this file has left cleanups: sendoff graph run FILE --no-cleanup does")
}

func (c *cleanupCmd) observer(t *term.Terminal) func(jobgraph.Event) {
	switch {
	case c.JSON:
		return func(e jobgraph.Event) { _ = printLine(t.Stdout, e) }
	case c.Verbose || c.Debug:
		return jobgraph.Lines(t.Stderr, true)
	}
	return func(e jobgraph.Event) {
		if e.Err != nil {
			t.Printf("cleanup of %s, attempt %d, failed: %s\n", term.Clean(e.Job), e.Attempt, term.Clean(e.Err.Error()))
		}
	}
}
