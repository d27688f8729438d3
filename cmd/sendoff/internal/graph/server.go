package graph

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// serverFlags have a server run a graph.
type serverFlags struct {
	Server bool `help:"Have a server run it: it survives a kill, and this command may end before it."`
	serverAddress
	Name      string `placeholder:"NAME" help:"With --server: name of the graph, of which one run goes on at a time; default that of the file."`
	OnRunning string `enum:"queue,refuse" default:"queue" help:"With --server, while another run of the graph goes on: queue behind it, or refuse."`
	Detach    bool   `help:"With --server: print the id of the run, and do not wait for its end."`
}

// serverAddress is where the server is.
type serverAddress struct {
	URL    string `name:"url" env:"SENDOFF_URL" placeholder:"URL" help:"With --server: the server; default http://127.0.0.1:4450."`
	APIKey string `name:"api-key" env:"SENDOFF_API_KEY" placeholder:"KEY" help:"With --server: API key, when the server wants one."`
}

func (a *serverAddress) client() (*sendoff.Client, error) {
	return (&remote{term.Remote{URL: a.URL, APIKey: a.APIKey}}).client()
}

// submit has a server run the graph, and shows how its jobs end.
func (c *runCmd) submit(ctx context.Context, t *term.Terminal) (int, error) {
	n, err := c.graphRun()
	if err != nil {
		return jobgraph.ExitRefused, err
	}
	client, err := c.client()
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
	if c.NoCleanup || c.Debug {
		return n, term.Usage("--server: --no-cleanup and --debug are for runs in this process: leave them out")
	}
	if n, err = c.asked(c.Name); err != nil {
		return n, err
	}
	var cfg jobgraph.Config
	if err := c.configure(&cfg); err != nil {
		return n, err
	}
	n.Parallel, n.Tries, n.RetryDelay, n.NoAct = cfg.Parallel, cfg.Tries, cfg.RetryDelay, cfg.NoAct
	n.StopAtFailure, n.OnRunning = cfg.StopAtFailure, c.OnRunning
	return n, nil
}

// asked is what is asked of a server: the graph of the file, and what is selected of it.
func (o *options) asked(name string) (n sendoff.NewGraphRun, err error) {
	if isPython(o.What) {
		return n, errPython
	}
	f, err := graphfile.Load(o.What)
	if err != nil {
		return n, err
	}
	given := o.given()
	if _, err := f.Goal(given.inputs, graphfile.Host{Task: elsewhere}); err != nil {
		return n, err // with the lines of the file
	}
	definition, err := graphfile.JSON(o.What, name)
	if err != nil {
		return n, err
	}
	n = sendoff.NewGraphRun{
		Graph: cmp.Or(name, f.Name), Definition: json.RawMessage(definition), Inputs: given.inputs, Only: o.Only, From: o.From, Except: o.Except,
	}
	for _, arg := range o.Arg {
		n.Args = append(n.Args, arg)
	}
	return n, nil
}

// elsewhere stands for the tasks of a graph that is only looked at.
func elsewhere(context.Context, *graphfile.TaskCall, io.Writer) (json.RawMessage, error) {
	return nil, errors.New("it is not run here")
}

// follow shows how the run goes on until its end. An interrupt leaves it as it is.
func (c *runCmd) follow(ctx context.Context, t *term.Terminal, client *sendoff.Client, run *sendoff.GraphRun) (int, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	shown := c.view(t, func() *tally { return tallyOf(run.Goal, rowsOf(run.Jobs)) })
	if v, live := shown.(*liveView); live {
		v.keys = " q leave it running  up/down scroll"
	}
	shown.enter(leave)
	run, err := newFollower(client, shown, c.JSON).end(ctx, run)
	shown.leave()
	switch {
	case err != nil:
		return jobgraph.ExitMissed, err
	case !run.Final():
		return 130, fmt.Errorf("the run goes on: sendoff graph get %s", run.ID)
	case c.JSON:
		return exitOf(run), printLine(t.Stdout, resultLine{"result", run})
	case t.Live && !c.Verbose:
		tallyOf(run.Goal, rowsOf(run.Jobs)).print(t)
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
		term.Short(seconds(run.Duration)))
	if run.Error != nil && run.Error.Phase != "cleanup" && run.State != sendoff.GraphCanceled {
		t.Printf("%s\n", term.Clean(run.Error.Message))
	}
	if run.State == sendoff.GraphFailed || run.State == sendoff.GraphCanceled {
		t.Printf("sendoff graph retry %s goes on with what is not done\n", run.ID)
	}
}
