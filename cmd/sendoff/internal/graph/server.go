package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// serverFlags have a server run a graph.
type serverFlags struct {
	Server    bool   `help:"Have a server run it: it survives a kill, and this command may end before it."`
	URL       string `name:"url" env:"SENDOFF_URL" placeholder:"URL" help:"With --server: the server; default http://127.0.0.1:4450."`
	APIKey    string `name:"api-key" env:"SENDOFF_API_KEY" placeholder:"KEY" help:"With --server: API key, when the server wants one."`
	Name      string `placeholder:"NAME" help:"With --server: name of the graph, of which one run goes on at a time; default that of the file."`
	OnRunning string `enum:"queue,refuse" default:"queue" help:"With --server, while another run of the graph goes on: queue behind it, or refuse."`
	Detach    bool   `help:"With --server: print the id of the run, and do not wait for its end."`
}

// submit has a server run the graph, and shows how its jobs end.
func (c *runCmd) submit(ctx context.Context, t *term.Terminal) (int, error) {
	n, err := c.graphRun()
	if err != nil {
		return jobgraph.ExitRefused, err
	}
	client, err := (&remote{term.Remote{URL: c.URL, APIKey: c.APIKey}}).client()
	if err != nil {
		return jobgraph.ExitRefused, err
	}
	run, err := client.GraphRuns.Start(ctx, n)
	if err != nil {
		return jobgraph.ExitRefused, err
	}
	if c.Detach {
		if c.JSON {
			return 0, printLine(t.Stdout, run)
		}
		t.Printf("%s\n", run.ID)
		return 0, nil
	}
	if !c.JSON {
		t.Printf("run %s on %s; Ctrl+C leaves it running, sendoff graph cancel %s ends it\n", run.ID, client.URL(), run.ID)
	}
	return c.follow(ctx, t, client, run)
}

// graphRun is what the flags ask for.
func (c *runCmd) graphRun() (n sendoff.NewGraphRun, err error) {
	if c.NoAct || c.NoCleanup || c.Verbose || c.Debug {
		return n, term.Usage("--server: --no-act, --no-cleanup, --verbose and --debug are for runs in this process: leave them out")
	}
	if isPython(c.What) {
		return n, errPython
	}
	f, err := graphfile.Load(c.What)
	if err != nil {
		return n, err
	}
	given := c.given()
	if _, err := f.Goal(given.inputs, graphfile.Host{Task: elsewhere}); err != nil {
		return n, err // with the lines of the file
	}
	definition, err := graphfile.JSON(c.What, c.Name)
	if err != nil {
		return n, err
	}
	var cfg jobgraph.Config
	if err := c.configure(&cfg); err != nil {
		return n, err
	}
	n = sendoff.NewGraphRun{
		Graph: c.Name, Definition: json.RawMessage(definition), Inputs: given.inputs, Parallel: cfg.Parallel, Tries: cfg.Tries, RetryDelay: cfg.RetryDelay,
		Only: c.Only, From: c.From, Except: c.Except, StopAtFailure: c.StopAtFailure, OnRunning: c.OnRunning,
	}
	if n.Graph == "" {
		n.Graph = f.Name
	}
	for _, arg := range c.Arg {
		n.Args = append(n.Args, arg)
	}
	return n, nil
}

// elsewhere stands for the tasks of a graph that is only looked at.
func elsewhere(context.Context, *graphfile.TaskCall, io.Writer) (json.RawMessage, error) {
	return nil, errors.New("it is not run here")
}

// follow prints each job when it ends, and the result at last. An interrupt leaves the
// run as it is.
func (c *runCmd) follow(ctx context.Context, t *term.Terminal, client *sendoff.Client, run *sendoff.GraphRun) (int, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	told, took := map[string]string{}, time.Duration(0)
	for {
		if !c.JSON {
			printProgress(t, run, told)
		}
		if run.Final() {
			break
		}
		select {
		case <-ctx.Done():
			return 130, fmt.Errorf("the run goes on: sendoff graph get %s", run.ID)
		case <-time.After(min(max(500*time.Millisecond, 2*took), 5*time.Second)): // a look at a run of many jobs takes work
		}
		asked := time.Now()
		next, err := client.GraphRuns.Get(ctx, run.ID)
		took = time.Since(asked)
		switch {
		case err == nil:
			run = next
		case sendoff.IsNotFound(err):
			return jobgraph.ExitMissed, err
		case ctx.Err() == nil && !unreachable(err):
			return jobgraph.ExitMissed, err
		}
	}
	if c.JSON {
		return exitOf(run), printLine(t.Stdout, resultLine{"result", run})
	}
	printRunEnd(t, run)
	return exitOf(run), nil
}

// unreachable tells whether a server may be there again soon: it was killed, perhaps, and
// the run goes on when it is back.
func unreachable(err error) bool {
	p, ok := errors.AsType[*sendoff.Problem](err)
	return !ok || p.Status >= 500
}

// resultLine is the last line of --json.
type resultLine struct {
	Event string `json:"event"`
	*sendoff.GraphRun
}

// exitOf is the exit status for a run that has ended.
func exitOf(run *sendoff.GraphRun) int {
	if run.Exit != nil {
		return *run.Exit
	}
	return jobgraph.ExitMissed
}

// printProgress prints the jobs that have got a state worth a line since the last time.
func printProgress(t *term.Terminal, run *sendoff.GraphRun, told map[string]string) {
	for i := range run.Jobs {
		j := &run.Jobs[i]
		text := jobText(j)
		if told[j.Name] == text || j.State == string(jobgraph.Waiting) || j.State == string(jobgraph.Running) {
			continue
		}
		told[j.Name] = text
		t.Printf("%s  %s\n", term.Clean(j.Name), t.Paint(jobPaint(j), text))
	}
}

// jobText is a job's state in words: "achieved, 2 attempts", "failed: port 80 closed".
func jobText(j *sendoff.GraphJob) string {
	text := j.State
	switch {
	case j.How == string(jobgraph.InPlace):
		text = "in place"
	case j.How == string(jobgraph.Achieved):
		text = "achieved"
	}
	if j.Attempts > 1 {
		text += fmt.Sprintf(", %d attempts", j.Attempts)
	}
	if j.Error != nil {
		text += ": " + term.OneLine(j.Error.Message, 100)
	}
	return text
}

func jobPaint(j *sendoff.GraphJob) string {
	if j.State == string(jobgraph.Skipped) {
		return "blocked"
	}
	return j.State
}

// printRunEnd says how a run ended, in a line.
func printRunEnd(t *term.Terminal, run *sendoff.GraphRun) {
	for _, c := range run.Cleanups {
		if c.Outcome == "fail" {
			t.Printf("cleanup of %s, attempt %d, failed: %s\n", term.Clean(c.Job), c.Attempt, term.Clean(c.Message))
		}
	}
	text := run.State
	switch {
	case run.Reached:
		text = "reached"
	case run.State == sendoff.GraphFailed && run.Exit != nil:
		text = "not reached"
	}
	t.Printf("%s: %s in %s\n", term.Clean(run.Goal), t.Paint(map[bool]string{true: "succeeded", false: "failed"}[run.Reached], text),
		term.Short(time.Duration(run.Duration*float64(time.Second))))
	if run.Error != nil && run.Error.Phase != "cleanup" && run.State != sendoff.GraphCanceled {
		t.Printf("%s\n", term.Clean(run.Error.Message))
	}
	if run.State == sendoff.GraphFailed || run.State == sendoff.GraphCanceled {
		t.Printf("sendoff graph retry %s goes on with what is not done\n", run.ID)
	}
}
