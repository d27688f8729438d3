// Package schedules is the command sendoff schedules: when something is due. It asks
// no server.
package schedules

import (
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/task/cron"
)

// Command is the grammar of sendoff schedules.
type Command struct {
	Preview previewCmd `cmd:"" help:"Print when a cron expression is due, with what changes of clocks do to it."`
}

type previewCmd struct {
	Cron     string    `arg:"" help:"Five fields: minute, hour, day of month, month, day of week; or @daily and the like."`
	Timezone string    `placeholder:"Europe/Berlin" help:"Time zone of the expression; default UTC."`
	Count    int       `short:"n" default:"5" help:"So many times, at most 1000."`
	After    time.Time `placeholder:"TIME" help:"Those after it, such as 2027-03-27T00:00:00Z; default now."`
	JSON     bool      `name:"json" help:"Print JSON."`
}

const mostFires = 1000

// fire is what --json prints of a time.
type fire struct {
	At    string `json:"at"`
	Local string `json:"local"`
	Note  string `json:"note,omitempty"`
}

// Run prints the next times.
func (c *previewCmd) Run(t *term.Terminal) error {
	if c.Count < 1 || c.Count > mostFires {
		return term.Usage("--count %d: want 1 to %d", c.Count, mostFires)
	}
	if c.Cron == "" {
		return term.Usage("no expression: want five fields, such as \"30 2 * * MON-FRI\"")
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
		return t.JSON(listOf(fires))
	}
	rows := make([][]string, len(fires))
	for i, f := range fires {
		rows[i] = []string{f.At.UTC().Format(time.RFC3339), f.At.Format("Mon 2006-01-02 15:04:05 MST"), f.Note}
	}
	t.Table([]string{"AT", "LOCAL", "NOTE"}, rows)
	return nil
}

func listOf(fires []cron.Fire) any {
	items := make([]fire, len(fires))
	for i, f := range fires {
		items[i] = fire{f.At.UTC().Format(time.RFC3339), f.At.Format(time.RFC3339), f.Note}
	}
	return struct {
		Items []fire `json:"items"`
	}{items}
}
