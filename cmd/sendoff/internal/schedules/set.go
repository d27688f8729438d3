package schedules

import (
	"context"
	"encoding/json"
	"os"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type setCmd struct {
	remote
	term.Why
	Name     string   `arg:"" help:"Name of the schedule."`
	Cron     string   `placeholder:"EXPR" help:"Five fields: minute, hour, day of month, month, day of week; or @daily and the like."`
	Every    string   `placeholder:"90s" help:"An interval, 1s at least."`
	At       []string `placeholder:"TIME" help:"Once, such as 2027-03-27T00:00:00Z; repeat it for several times."`
	Timezone string   `placeholder:"Europe/Berlin" help:"Time zone of the expression; default UTC."`

	Task      string `placeholder:"JSON" help:"What is made each time, as POST /v1/tasks takes it; @FILE reads a file."`
	TargetURL string `name:"target" placeholder:"URL" help:"In place of --task: what is pushed to."`
	Process   string `placeholder:"NAME" help:"In place of --task: what a worker process runs."`
	Handler   string `placeholder:"NAME" help:"In place of --task: a Go handler."`
	Graph     string `placeholder:"NAME" help:"In place of --task: a run of a graph that the server keeps, see sendoff graph save."`
	Payload   string `placeholder:"JSON" help:"Of --target, --process and --handler."`
	Queue     string `placeholder:"NAME" help:"Of --target, --process, --handler and --graph; default default."`

	Input    map[string]string `placeholder:"NAME=VALUE" mapsep:"none" help:"Of --graph: what an input of it is; may be given several times."`
	Parallel int               `placeholder:"N" help:"Of --graph: how many jobs run at a time; default 1."`

	Overlap       string `placeholder:"RULE" help:"While a task that it made, or any run of the graph, has not ended: parallel (the default), serial (that of graphs), discard, queue_one or replace."`
	CatchUp       string `placeholder:"RULE" help:"Of times at which no server was there: none, one (the default) or all."`
	CatchUpWindow string `placeholder:"24h" help:"How old such a time may be."`
	Jitter        string `placeholder:"30s" help:"All times are later by the same amount, below this one."`
	StartsAt      string `placeholder:"TIME" help:"Nothing is due before it."`
	EndsAt        string `placeholder:"TIME" help:"Nothing is due at it or later."`
	DryRun        bool   `help:"Check it, and show when it would be due; nothing is stored."`
}

// Run makes a schedule, or changes it.
func (c *setCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	task, err := c.task()
	if err != nil {
		return err
	}
	spec := sendoff.ScheduleSpec{
		Cron: c.Cron, Every: c.Every, Timezone: c.Timezone, Task: task, Overlap: c.Overlap, CatchUp: c.CatchUp,
		CatchUpWindow: c.CatchUpWindow, Jitter: c.Jitter, StartsAt: c.StartsAt, EndsAt: c.EndsAt,
	}
	if len(c.At) == 1 {
		spec.At = c.At[0]
	} else {
		spec.Times = c.At
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	do := client.Schedules.Set
	if c.DryRun {
		do = client.Schedules.Try
	}
	s, err := do(ctx, c.Name, spec)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return t.JSON(s)
	case c.DryRun:
		printFires(t, s.NextFires)
		return nil
	}
	printSchedules(t, []sendoff.Schedule{*s})
	return nil
}

// task is what is made each time.
func (c *setCmd) task() (json.RawMessage, error) {
	short := map[string]any{}
	for field, value := range map[string]string{"url": c.TargetURL, "process": c.Process, "handler": c.Handler, "graph": c.Graph, "queue": c.Queue} {
		if value != "" {
			short[field] = value
		}
	}
	if c.Payload != "" {
		short["payload"] = json.RawMessage(c.Payload)
	}
	if len(c.Input) > 0 {
		short["inputs"] = c.Input
	}
	if c.Parallel != 0 {
		short["parallel"] = c.Parallel
	}
	text := []byte(c.Task)
	switch {
	case c.Task == "" && len(short) == 0:
		return nil, term.Usage("nothing to do each time: give --target, --process, --handler, --graph or --task")
	case c.Task != "" && len(short) > 0:
		return nil, term.Usage("--task has all of the task: leave --target, --process, --handler, --graph, --payload, --queue, --input and --parallel out")
	case c.Graph == "" && (len(c.Input) > 0 || c.Parallel != 0):
		return nil, term.Usage("--input and --parallel belong to --graph")
	case c.Graph != "" && c.Payload != "":
		return nil, term.Usage("--payload does not go with --graph, whose runs have --input")
	case c.Task == "":
		text, err := json.Marshal(short)
		if err != nil {
			return nil, term.Usage("--payload %s: want JSON", c.Payload)
		}
		return text, nil
	case c.Task[0] == '@':
		var err error
		if text, err = os.ReadFile(c.Task[1:]); err != nil {
			return nil, term.Usage("--task: %w", err)
		}
	}
	if !json.Valid(text) {
		return nil, term.Usage("--task: want JSON such as '{\"url\":\"http://host/path\"}', or @FILE")
	}
	return text, nil
}
