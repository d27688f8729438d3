package schedules

import (
	"cmp"
	"context"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type remote struct{ term.Remote }

func (r *remote) client() (*sendoff.Client, error) { return r.Connect("sendoff-cli") }

type listCmd struct{ remote }

// Run lists schedules.
func (c *listCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	all, err := term.Collect(client.Schedules.List(ctx), 0)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	printSchedules(t, all)
	return nil
}

type some struct {
	remote
	Names []string `arg:"" name:"name" help:"Names of schedules."`
}

type (
	getCmd   struct{ some }
	pauseCmd struct {
		some
		term.Why
	}
	resumeCmd struct {
		some
		term.Why
	}
	resetCmd struct {
		some
		term.Why
	}
)

// Run shows schedules.
func (c *getCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.each(ctx, t, sendoff.Schedules.Get)
}

// Run pauses schedules.
func (c *pauseCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.each(ctx, t, sendoff.Schedules.Pause)
}

// Run resumes schedules.
func (c *resumeCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.each(ctx, t, sendoff.Schedules.Resume)
}

// Run takes what the configuration file of the server says.
func (c *resetCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.each(ctx, t, sendoff.Schedules.Reset)
}

// each does the same with several and goes on after a failure.
func (c *some) each(ctx context.Context, t *term.Terminal, do func(sendoff.Schedules, context.Context, string) (*sendoff.Schedule, error)) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.Names, func(name string) (sendoff.Schedule, error) {
		s, err := do(client.Schedules, ctx, name)
		if err != nil {
			return sendoff.Schedule{}, err
		}
		return *s, nil
	})
	switch {
	case c.JSON && len(c.Names) == 1 && err == nil:
		return t.JSON(done[0])
	case c.JSON:
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	case len(done) > 0:
		printSchedules(t, done)
	}
	return err
}

type deleteCmd struct {
	some
	term.Why
}

// deleted is what --json prints of one.
type deleted struct {
	Name string `json:"name"`
}

// Run forgets schedules, and goes on after a failure.
func (c *deleteCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.Names, func(name string) (deleted, error) { return deleted{name}, client.Schedules.Delete(ctx, name) })
	if c.JSON {
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	}
	for _, d := range done {
		t.Printf("%s  deleted\n", term.Clean(d.Name))
	}
	return err
}

type runCmd struct {
	remote
	term.Why
	Name string `arg:"" help:"Name of the schedule."`
}

// Run makes a task of a schedule now.
func (c *runCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.client()
	if err != nil {
		return err
	}
	made, err := client.Schedules.Run(ctx, c.Name)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(made)
	}
	t.Printf("%s  %s\n", made.ID, made.State)
	return nil
}

type firesCmd struct {
	remote
	Name  string `arg:"" help:"Name of the schedule."`
	Limit int    `default:"20" help:"So many, the newest first; 0 = all."`
}

// Run lists what became of the times of a schedule.
func (c *firesCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	all, err := term.Collect(client.Schedules.Fires(ctx, c.Name), c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	rows := make([][]string, len(all))
	for i, f := range all {
		rows[i] = []string{f.Due.UTC().Format(time.RFC3339), f.Outcome, cmp.Or(f.Lateness, "-"), cmp.Or(f.TaskID, "-"), term.Clean(f.Reason)}
	}
	t.Table([]string{"DUE", "OUTCOME", "LATENESS", "TASK", "REASON"}, rows)
	return nil
}

func printSchedules(t *term.Terminal, all []sendoff.Schedule) {
	rows := make([][]string, len(all))
	for i, s := range all {
		state, next, last := "on", "-", "-"
		switch {
		case s.Paused:
			state = "paused"
		case s.NextAt == nil:
			state = "over"
		}
		if s.Edited {
			state += ", edited"
		}
		if s.NextAt != nil {
			next = s.NextAt.UTC().Format(time.RFC3339)
		}
		if s.Last != nil {
			last = s.Last.Outcome + " " + s.Last.Due.UTC().Format(time.RFC3339)
		}
		rows[i] = []string{term.Clean(s.Name), when(&s), state, next, last}
	}
	t.Table([]string{"SCHEDULE", "WHEN", "STATE", "NEXT", "LAST"}, rows)
}

// when says in short at which times a schedule is due.
func when(s *sendoff.Schedule) string {
	switch {
	case s.Cron != "":
		return term.Clean(s.Cron + " " + s.Timezone)
	case s.Every != "":
		return "every " + s.Every
	case s.At != "":
		return "at " + s.At
	}
	return "at some times"
}
