package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

type queuesCmd struct {
	List   queuesListCmd   `cmd:"" help:"List queues."`
	Get    queuesGetCmd    `cmd:"" help:"Show queues."`
	Set    queuesSetCmd    `cmd:"" help:"Change the settings of a queue, which is made when it is new."`
	Pause  queuesPauseCmd  `cmd:"" help:"Start nothing from queues; what is under way goes on."`
	Resume queuesResumeCmd `cmd:"" help:"End a pause."`
	Purge  queuesPurgeCmd  `cmd:"" help:"Cancel everything that waits in queues."`
	Delete queuesDeleteCmd `cmd:"" help:"Forget queues in which everything has ended; their names are free again."`
	Stats  queuesStatsCmd  `cmd:"" help:"Show how much waits, by state."`
}

type someQueues struct {
	remote
	Names []string `arg:"" name:"queue" help:"Names of queues."`
}

type queuesListCmd struct{ remote }

// Run lists queues.
func (c *queuesListCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	queues, err := client.Queues.List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(queues))
	}
	printQueues(t, queues)
	if me, err := client.Me(ctx); err == nil && me.Paused {
		t.Printf("\neverything is paused since %s: sendoff resume\n", term.Clock(me.PausedSince))
	}
	return nil
}

type (
	pauseCmd struct {
		remote
		term.Why
	}
	resumeCmd struct {
		remote
		term.Why
		Restored bool   `help:"What a restore has held back, in all namespaces of a SQLite file, whether a server runs on it or not."`
		DB       string `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE" help:"That file."`
	}
)

// Run pauses everything.
func (c *pauseCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.everything(ctx, t, (*sendoff.Client).PauseAll)
}

// Run resumes everything.
func (c *resumeCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	if c.Restored {
		return c.restored(ctx, t)
	}
	return c.everything(ctx, t, (*sendoff.Client).ResumeAll)
}

func (c *resumeCmd) restored(ctx context.Context, t *term.Terminal) error {
	n, err := sqlite.ResumeRestored(ctx, c.DB)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w\nname the restored file with --db", err)
	case err != nil:
		return err
	case c.JSON:
		return t.JSON(struct {
			Namespaces int64 `json:"namespaces"` // that go on
		}{n})
	case n == 0:
		t.Printf("%s: nothing of it is held back by a restore\n", c.DB)
	default:
		t.Printf("%s: everything goes on, but for queues and namespaces that were paused by hand\n", c.DB)
	}
	return nil
}

func (c *remote) everything(ctx context.Context, t *term.Terminal, do func(*sendoff.Client, context.Context) (sendoff.Everything, error)) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	all, err := do(client, ctx)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return t.JSON(all)
	case all.Paused:
		t.Printf("everything is paused since %s: what runs goes on, nothing else starts\n", term.Clock(all.Since))
	default:
		t.Printf("everything goes on, but for queues that are paused by themselves\n")
	}
	return nil
}

type (
	queuesGetCmd   struct{ someQueues }
	queuesPauseCmd struct {
		someQueues
		term.Why
	}
	queuesResumeCmd struct {
		someQueues
		term.Why
	}
)

// Run shows queues, with their settings.
func (c *queuesGetCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.each(ctx, t, sendoff.Queues.Get, func(t *term.Terminal, queues []sendoff.Queue) {
		printQueues(t, queues)
		for i := range queues {
			t.Printf("\n")
			printSettings(t, &queues[i])
		}
	})
}

// Run pauses queues.
func (c *queuesPauseCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.each(ctx, t, sendoff.Queues.Pause, printQueues)
}

// Run resumes queues.
func (c *queuesResumeCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.each(ctx, t, sendoff.Queues.Resume, printQueues)
}

func (c *someQueues) each(ctx context.Context, t *term.Terminal,
	do func(sendoff.Queues, context.Context, string) (*sendoff.Queue, error), show func(*term.Terminal, []sendoff.Queue),
) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.Names, func(name string) (sendoff.Queue, error) {
		q, err := do(client.Queues, ctx, name)
		if err != nil {
			return sendoff.Queue{}, err
		}
		return *q, nil
	})
	switch {
	case c.JSON && len(c.Names) == 1 && err == nil:
		return t.JSON(done[0])
	case c.JSON:
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	case len(done) > 0:
		show(t, done)
	}
	return err
}

func printQueues(t *term.Terminal, queues []sendoff.Queue) {
	rows := make([][]string, len(queues))
	for i, q := range queues {
		state := "open"
		if q.Paused {
			state = "paused"
		}
		rows[i] = []string{q.Name, state, term.Clock(q.CreatedAt)}
	}
	t.Table([]string{"QUEUE", "STATE", "CREATED"}, rows)
}

type queuesDeleteCmd struct {
	someQueues
	term.Why
}

// deleted is what --json prints.
type deleted struct {
	Queue string `json:"queue"`
}

// Run forgets queues.
func (c *queuesDeleteCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.Names, func(name string) (deleted, error) { return deleted{name}, client.Queues.Delete(ctx, name) })
	if c.JSON {
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	}
	for _, d := range done {
		t.Printf("%s  deleted\n", d.Queue)
	}
	return err
}

type queuesPurgeCmd struct {
	someQueues
	term.Why
	Yes bool `help:"Really do it."`
}

// purged is what --json prints.
type purged struct {
	Queue  string `json:"queue"`
	Purged int    `json:"purged"`
}

// Run purges queues.
func (c *queuesPurgeCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	if !c.Yes {
		return term.Usage("purge cancels everything that waits in the queue, which cannot be undone in one step: say --yes")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.Names, func(name string) (purged, error) {
		n, err := client.Queues.Purge(ctx, name)
		return purged{name, n}, err
	})
	if c.JSON {
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	}
	for _, p := range done {
		t.Printf("%s  %d tasks canceled\n", p.Queue, p.Purged)
	}
	return err
}

type queuesStatsCmd struct {
	remote
	Names []string `arg:"" optional:"" name:"queue" help:"Names of queues; all without one."`
}

// Run shows depths.
func (c *queuesStatsCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if len(c.Names) == 0 {
		queues, err := client.Queues.List(ctx)
		if err != nil {
			return err
		}
		for _, q := range queues {
			c.Names = append(c.Names, q.Name)
		}
	}
	stats, err := term.EachOf(c.Names, func(name string) (*sendoff.QueueStats, error) { return client.Queues.Stats(ctx, name) })
	if c.JSON {
		return cmp.Or(t.JSON(term.ListOf(stats)), err)
	}
	if len(stats) > 0 || err == nil {
		printStats(t, stats)
	}
	return err
}

func printStats(t *term.Terminal, stats []*sendoff.QueueStats) {
	rows := make([][]string, len(stats))
	for i, s := range stats {
		oldest := "-"
		if s.OldestReady > 0 {
			oldest = term.Short(s.OldestReady)
		}
		rows[i] = []string{s.Queue}
		for _, n := range []int64{s.Scheduled, s.Ready, s.Running, s.Suspended, s.Blocked, s.Failed} {
			rows[i] = append(rows[i], strconv.FormatInt(n, 10))
		}
		rows[i] = append(rows[i], oldest)
		if s.Paused {
			rows[i][0] += " (paused)"
		}
	}
	t.Table([]string{"QUEUE", "SCHEDULED", "READY", "RUNNING", "SUSPENDED", "BLOCKED", "FAILED", "OLDEST READY"}, rows)
	for _, s := range stats {
		if len(s.Groups) > 0 {
			printGroups(t, s)
		}
	}
}

func printGroups(t *term.Terminal, s *sendoff.QueueStats) {
	rows := make([][]string, len(s.Groups))
	for i, g := range s.Groups {
		oldest := "-"
		if g.OldestReady > 0 {
			oldest = term.Short(g.OldestReady)
		}
		name := term.Clean(g.Group)
		if name == "" {
			name = "-"
		}
		rows[i] = []string{name, strconv.Itoa(g.Weight), strconv.FormatInt(g.Scheduled, 10), strconv.FormatInt(g.Ready, 10), strconv.FormatInt(g.Running, 10), oldest}
	}
	t.Printf("\ngroups of %s, which take turns\n", s.Queue)
	t.Table([]string{"GROUP", "WEIGHT", "SCHEDULED", "READY", "RUNNING", "OLDEST READY"}, rows)
}
