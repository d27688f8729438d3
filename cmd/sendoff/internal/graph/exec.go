package graph

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/graphpy"
	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// execCmd runs a script that runs its graphs itself.
type execCmd struct {
	Parallel int      `default:"1" placeholder:"N" help:"How many jobs of a graph are attempted at a time, each in a thread."`
	Verbose  bool     `short:"v" help:"Print a line for each call on stderr, whatever the script says."`
	Debug    bool     `help:"As --verbose, with the traces of what failed."`
	JSON     bool     `name:"json" help:"Print each call, and the result of each run, as a line of JSON; what the script prints goes to stderr."`
	Argv     []string `arg:"" passthrough:"" placeholder:"COMMAND" help:"The command, after --: python3 SCRIPT ARG..."`
}

// Help is printed under the flags.
func (execCmd) Help() string {
	return `Scripts in the command that import dojobber are given Sendoff's own, with all that version 0.6.3 has,
and run their graphs as they did: sendoff graph exec -- python3 movie.py --battery charged
The exit code is that of the command. What is different, and better: docs/dojobber.md.
Each run leaves its states in $XDG_STATE_HOME/sendoff/graphs: sendoff graph show.`
}

// Run runs the command and ends as it does.
func (c *execCmd) Run(ctx context.Context, t *term.Terminal) error {
	argv := c.Argv
	if len(argv) > 0 && argv[0] == "--" {
		argv = argv[1:]
	}
	if len(argv) == 0 || c.Parallel < 1 {
		return term.Usage("want a command after --, and --parallel of 1 or more")
	}
	s := &scriptRuns{execCmd: c, t: t, what: strings.Join(argv, " ")}
	host, err := graphpy.NewHost(graphpy.Config{Parallel: c.Parallel, Run: s.run, Draw: picture})
	if err != nil {
		return err
	}
	defer host.Close()
	ctx, stop := untilTold(ctx)
	defer stop()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, t.Stdout, t.Stderr
	if c.JSON {
		cmd.Stdout = t.Stderr
	}
	code, err := host.Exec(ctx, cmd)
	switch {
	case err != nil:
		return err
	case host.Graphs() == 0:
		fmt.Fprintf(t.Stderr, "sendoff: no graph was run: the command has not used the dojobber that PYTHONPATH leads to\n")
	}
	return exit(code)
}

// untilTold returns a context that ends with SIGTERM and SIGHUP. An interrupt at a terminal
// reaches the script too, which decides; without a terminal it is passed on.
func untilTold(ctx context.Context) (context.Context, context.CancelFunc) {
	told := []os.Signal{syscall.SIGTERM, syscall.SIGHUP}
	if term.IsTerminal(os.Stdin) {
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	} else {
		told = append(told, os.Interrupt)
	}
	return signal.NotifyContext(ctx, told...)
}

// scriptRuns runs the graphs of a script, and tells and records what becomes of them.
type scriptRuns struct {
	*execCmd
	t    *term.Terminal
	what string
}

// run runs one of them.
func (s *scriptRuns) run(ctx context.Context, g *jobgraph.Graph, cfg jobgraph.Config) (*jobgraph.Result, error) {
	rec, err := newRecord(s.what, &opened{Graph: g}, &cfg)
	if err != nil {
		fmt.Fprintf(s.t.Stderr, "sendoff: the run is not recorded: %v\n", err)
	}
	observe := s.observer(cfg.Observe)
	cfg.Observe = func(e jobgraph.Event) { rec.observe(e); observe(e) }
	res, err := g.Run(ctx, cfg)
	if err != nil {
		rec.drop()
		return nil, err
	}
	if err := rec.end(res); err != nil {
		fmt.Fprintf(s.t.Stderr, "sendoff: the run is not recorded: %v\n", err)
	}
	if s.JSON {
		return res, printLine(s.t.Stdout, res)
	}
	return res, nil
}

// observer is what is told of a run beside its record: own is what the script asks for.
func (s *scriptRuns) observer(own func(jobgraph.Event)) func(jobgraph.Event) {
	if s.Verbose || s.Debug {
		own = jobgraph.Lines(s.t.Stderr, s.Debug)
	}
	return func(e jobgraph.Event) {
		own(e)
		if s.JSON && e.Kind == jobgraph.CallEnded {
			_ = printLine(s.t.Stdout, e) // nobody listens any more
		}
	}
}

// picture draws a graph for a script: all of it, with the states of the jobs that were part
// of its last run.
func picture(g *jobgraph.Graph, last *jobgraph.Result, format string) ([]byte, error) {
	write := formats[format]
	if write == nil {
		return nil, fmt.Errorf("a picture as %q cannot be drawn: want png, svg, dot or mermaid", format)
	}
	d := g.Drawing()
	if last != nil {
		ran := last.Drawing()
		byID := make(map[string]draw.Node, len(ran.Nodes))
		for _, n := range ran.Nodes {
			byID[n.ID] = n
		}
		for i, n := range d.Nodes {
			d.Nodes[i] = cmp.Or(byID[n.ID], n)
		}
		d.Critical = ran.Critical
	}
	var b bytes.Buffer
	err := write(&b, d)
	return b.Bytes(), err
}
