// Package failures is sendoff failures: the commands about groups of tasks that failed alike.
package failures

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Command is the grammar of sendoff failures.
type Command struct {
	List listCmd `cmd:"" default:"withargs" help:"List groups of tasks that failed alike, newest first."`
	Get  getCmd  `cmd:"" help:"Show groups."`
	Mute muteCmd `cmd:"" help:"Mark groups as known until a time; without one, that ends."`
}

type listCmd struct {
	term.Remote
	Limit int `short:"n" default:"50" help:"So many groups at most; 0 = all."`
}

// Run lists groups.
func (c *listCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	all, err := term.Collect(client.Failures.List(ctx), c.Limit)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	show(t, all)
	return nil
}

type some struct {
	term.Remote
	IDs []string `arg:"" name:"id" help:"Ids of groups."`
}

type getCmd struct{ some }

// Run shows groups.
func (c *getCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.each(t, func(client *sendoff.Client, id string) (*sendoff.FailureGroup, error) {
		return client.Failures.Get(ctx, id)
	})
}

type muteCmd struct {
	some
	term.Why
	For   time.Duration `xor:"until" placeholder:"DURATION" help:"So long from now on, such as 8h."`
	Until time.Time     `xor:"until" placeholder:"TIME" help:"Until then, such as 2027-03-27T00:00:00Z."`
}

// Run mutes groups, or ends that.
func (c *muteCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	if c.For < 0 {
		return term.Usage("--for is negative: want a duration such as 8h, or none to end a mute")
	}
	until := c.Until
	if c.For > 0 {
		until = time.Now().Add(c.For)
	}
	return c.each(t, func(client *sendoff.Client, id string) (*sendoff.FailureGroup, error) {
		if until.IsZero() {
			return client.Failures.Unmute(ctx, id)
		}
		return client.Failures.Mute(ctx, id, until)
	})
}

// each does something with every group, and shows them.
func (c *some) each(t *term.Terminal, do func(client *sendoff.Client, id string) (*sendoff.FailureGroup, error)) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.IDs, func(id string) (sendoff.FailureGroup, error) {
		g, err := do(client, id)
		if err != nil {
			return sendoff.FailureGroup{}, err
		}
		return *g, nil
	})
	switch {
	case c.JSON && len(c.IDs) == 1 && err == nil:
		return t.JSON(done[0])
	case c.JSON:
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	case len(done) > 0:
		show(t, done)
	}
	for i := range done {
		t.Printf("%s  first failed %s, last as task %s\n", term.Clean(done[i].ID), done[i].FirstAt.Format(time.RFC3339), term.Clean(done[i].Sample))
	}
	return err
}

func show(t *term.Terminal, groups []sendoff.FailureGroup) {
	rows := make([][]string, len(groups))
	for i := range groups {
		g := &groups[i]
		muted := "-"
		if g.MutedUntil.After(time.Now()) {
			muted = g.MutedUntil.Format(time.RFC3339)
		}
		rows[i] = []string{
			term.Clean(g.ID), g.LastAt.Format(time.RFC3339), strconv.FormatInt(g.Count, 10), term.Clean(g.Queue), term.Clean(cmp.Or(g.Target, "-")),
			term.Clean(cmp.Or(g.Code, "-")), term.OneLine(cmp.Or(g.Text, "-"), 60), muted,
		}
	}
	t.Table([]string{"GROUP", "LAST", "COUNT", "QUEUE", "TARGET", "CODE", "TEXT", "MUTED UNTIL"}, rows)
}
