// Package schedules is the command sendoff schedules: what is planned on a server, and when
// something is due, for which no server is asked.
package schedules

import (
	"context"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/task/cron"
)

// Command is the grammar of sendoff schedules.
type Command struct {
	List    listCmd    `cmd:"" help:"List schedules."`
	Get     getCmd     `cmd:"" help:"Show schedules."`
	Set     setCmd     `cmd:"" help:"Make a schedule, or change it."`
	Pause   pauseCmd   `cmd:"" help:"Pause schedules: what would be due meanwhile is not made up for."`
	Resume  resumeCmd  `cmd:"" help:"Have schedules go on."`
	Run     runCmd     `cmd:"" help:"Make a task of a schedule now."`
	Fires   firesCmd   `cmd:"" help:"List what became of the times of a schedule."`
	Preview previewCmd `cmd:"" help:"Print when a schedule or a cron expression is due, with what changes of clocks do to it."`
	Reset   resetCmd   `cmd:"" help:"Have declared schedules be as the configuration file of the server says."`
	Import  importCmd  `cmd:"" help:"Make a schedule of each line of a crontab."`
	Delete  deleteCmd  `cmd:"" help:"Forget schedules; the tasks that they made stay."`
}

type previewCmd struct {
	remote
	Cron     string    `arg:"" name:"schedule" help:"Name of a schedule of the server, or a cron expression, which needs none. Five fields: minute, hour, day of month, month, day of week; or @daily and the like."`
	Timezone string    `placeholder:"Europe/Berlin" help:"Time zone of the expression; default UTC."`
	Count    int       `short:"n" default:"5" help:"So many times, at most 1000."`
	After    time.Time `placeholder:"TIME" help:"Those after it, such as 2027-03-27T00:00:00Z; default now."`
}

const mostFires = 1000

// Run prints the next times.
func (c *previewCmd) Run(ctx context.Context, t *term.Terminal) error {
	if c.Count < 1 || c.Count > mostFires {
		return term.Usage("--count %d: want 1 to %d", c.Count, mostFires)
	}
	if c.Cron == "" {
		return term.Usage("no expression: want five fields, such as \"30 2 * * MON-FRI\"")
	}
	if !strings.ContainsAny(c.Cron, " \t") && !strings.HasPrefix(c.Cron, "@") {
		return c.stored(ctx, t)
	}
	schedule, err := cron.New(cron.Spec{Cron: c.Cron, Timezone: c.Timezone})
	if err != nil {
		return term.Usage("%w", err)
	}
	after := c.After
	if after.IsZero() {
		after = time.Now()
	}
	fires := schedule.Preview(after, c.Count)
	if c.JSON {
		return t.JSON(term.ListOf(shownFires(fires)))
	}
	rows := make([][]string, len(fires))
	for i, f := range fires {
		rows[i] = []string{f.At.UTC().Format(time.RFC3339), f.At.Format("Mon 2006-01-02 15:04:05 MST"), f.Note}
	}
	t.Table([]string{"AT", "LOCAL", "NOTE"}, rows)
	return nil
}

// stored prints the next times of a schedule of the server.
func (c *previewCmd) stored(ctx context.Context, t *term.Terminal) error {
	if c.Timezone != "" || !c.After.IsZero() {
		return term.Usage("--timezone and --after are for expressions: %q is the name of a schedule", c.Cron)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	fires, err := client.Schedules.Preview(ctx, c.Cron, c.Count)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return t.JSON(term.ListOf(fires))
	}
	printFires(t, fires)
	return nil
}

func printFires(t *term.Terminal, fires []sendoff.FireTime) {
	rows := make([][]string, len(fires))
	for i, f := range fires {
		rows[i] = []string{f.At, f.Local, f.Note}
	}
	t.Table([]string{"AT", "LOCAL", "NOTE"}, rows)
}

// shownFires are times as a server shows those of its schedules.
func shownFires(fires []cron.Fire) []sendoff.FireTime {
	shown := make([]sendoff.FireTime, len(fires))
	for i, f := range fires {
		shown[i] = sendoff.FireTime{At: f.At.UTC().Format(time.RFC3339), Local: f.At.Format(time.RFC3339), Note: f.Note}
	}
	return shown
}
