// Package stats is sendoff stats: what happened over a time.
package stats

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/actions"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Command is the grammar of sendoff stats.
type Command struct {
	term.Remote
	By     string         `enum:"queue,target" default:"queue" help:"Count by queue, or by target: what is called."`
	Queue  []string       `short:"q" placeholder:"NAME" help:"This queue; repeat it for several. Default all."`
	Target []string       `placeholder:"NAME" help:"Of --by target, this one: the host of a URL, or the name of a function, process or handler; repeat it for several. Default all."`
	From   actions.Moment `placeholder:"TIME|AGO" help:"RFC 3339, or a duration before now such as 1h; default 3h, by target 24h."`
	To     actions.Moment `placeholder:"TIME|AGO" help:"Default now."`
	Step   time.Duration  `placeholder:"DURATION" help:"10s, 1m, 10m or 1h, by target 1h; default the shortest that is kept so long."`
}

// Run prints what happened.
func (c *Command) Run(ctx context.Context, t *term.Terminal) error {
	targets := c.By == "target"
	switch {
	case targets && len(c.Queue) > 0:
		return term.Usage("--queue does not go with --by target, which is of all queues: want --target")
	case !targets && len(c.Target) > 0:
		return term.Usage("--target goes with --by target")
	}
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	s, err := client.Queues.Series(ctx, sendoff.SeriesQuery{Targets: targets, Target: c.Target, Queues: c.Queue, From: c.From.Time, To: c.To.Time, Step: c.Step})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(s)
	}
	var rows [][]string
	for i := range s.Items {
		for j := range s.Items[i].Points {
			rows = append(rows, row(s.Items[i].Key, &s.Items[i].Points[j]))
		}
	}
	t.Table([]string{strings.ToUpper(c.By), "AT", "ACCEPTED", "STARTED", "SUCCEEDED", "FAILED", "CANCELED", "WAIT P50", "P95", "RUN P50", "P95", "READY", "OLDEST"}, rows)
	if s.Partial {
		t.Printf("counts from %s on may lack what other servers have not written yet, or what is older is kept in longer steps\n", s.AsOf.Format(time.RFC3339))
	}
	return nil
}

func row(queue string, p *sendoff.SeriesPoint) []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	wait, run := p.Wait, p.Run
	if wait == nil {
		wait = &sendoff.Quantiles{}
	}
	if run == nil {
		run = &sendoff.Quantiles{}
	}
	return []string{
		term.Clean(queue), p.At.Format(time.RFC3339), number(p.Accepted), number(p.Started),
		number(p.Ended[sendoff.StateSucceeded]), number(p.Ended[sendoff.StateFailed]), number(p.Ended[sendoff.StateCanceled]),
		cmp.Or(wait.P50, "-"), cmp.Or(wait.P95, "-"), cmp.Or(run.P50, "-"), cmp.Or(run.P95, "-"), number(p.Depth[sendoff.StateReady]), cmp.Or(p.OldestReady, "-"),
	}
}
