// Command movienight is an evening with a film as a graph of jobs, in one process and
// without a server. Its flags are what can go wrong:
//
//	go run ./examples/movienight
//	go run ./examples/movienight -battery dead          # the goal is not reached, all else is
//	go run ./examples/movienight -couch taken -pizza-try 4
//	go run ./examples/movienight -plan
//	go run ./examples/movienight -svg evening.svg       # what became of it, as a drawing
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "movienight:", err)
	}
	os.Exit(code)
}

// run is the whole program. It returns its exit status.
func run(ctx context.Context, args []string, out io.Writer) (int, error) {
	e := &evening{}
	f := flag.NewFlagSet("movienight", flag.ContinueOnError)
	e.flags(f)
	parallel := f.Int("parallel", 4, "how many jobs are attempted at a time")
	delay := f.Duration("retry-delay", 300*time.Millisecond, "from one attempt of a job to the next")
	plan := f.Bool("plan", false, "ask only, and say what would be done")
	svg := f.String("svg", "", "draw what became of it into this `file`")
	if err := f.Parse(args); err != nil {
		return jobgraph.ExitRefused, nil //nolint:nilerr // the flag set has told it
	}
	if err := e.check(); err != nil {
		return jobgraph.ExitRefused, err
	}
	g, err := jobgraph.New(e.goal())
	if err != nil {
		return jobgraph.ExitRefused, err
	}
	if *plan {
		return tell(ctx, g, out)
	}
	result, err := g.Run(ctx, jobgraph.Config{
		Parallel: *parallel, RetryDelay: delay, Observe: jobgraph.Lines(out, false),
		Output: func(job string, _ int) io.Writer { return said{out, job} },
	})
	if err != nil {
		return jobgraph.ExitRefused, err
	}
	fmt.Fprintf(out, "\n%d passes, %v\n", result.Passes, result.Duration.Round(time.Millisecond))
	if err := drawInto(*svg, result); err != nil {
		return jobgraph.ExitMissed, err
	}
	return result.Exit(), result.Err()
}

// tell prints what a run would do.
func tell(ctx context.Context, g *jobgraph.Graph, out io.Writer) (int, error) {
	plan, err := g.Plan(ctx, jobgraph.Config{})
	if err != nil {
		return jobgraph.ExitRefused, err
	}
	for _, j := range plan.Jobs {
		fmt.Fprintf(out, "%-20s %s\n", j.Name, j)
	}
	return jobgraph.ExitReached, nil
}

func drawInto(file string, result *jobgraph.Result) error {
	if file == "" {
		return nil
	}
	var b bytes.Buffer
	if err := draw.SVG(&b, result.Drawing(), draw.Options{}); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

// said writes what a job says, in one write for each line.
type said struct {
	out io.Writer
	job string
}

func (s said) Write(b []byte) (int, error) {
	fmt.Fprintf(s.out, "    %s: %s", s.job, b)
	return len(b), nil
}
