package main

import (
	"cmp"
	"context"
	"strconv"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type limitsCmd struct {
	List   limitsListCmd   `cmd:"" help:"List the limits that are configured."`
	Get    limitsGetCmd    `cmd:"" help:"Show limits, those that only tasks name as well."`
	Set    limitsSetCmd    `cmd:"" help:"Configure a limit, whatever tasks say of it."`
	Pause  limitsPauseCmd  `cmd:"" help:"Let nobody enter under limits; what runs goes on."`
	Resume limitsResumeCmd `cmd:"" help:"End a pause."`
	Delete limitsDeleteCmd `cmd:"" help:"Forget what was configured of limits: what tasks say counts again."`
}

type someLimits struct {
	remote
	Keys []string `arg:"" name:"key" help:"Keys of limits."`
}

type limitsListCmd struct{ remote }

// Run lists limits.
func (c *limitsListCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	all, err := term.Collect(client.Limits.List(ctx), 0)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	printLimits(t, all)
	return nil
}

type (
	limitsGetCmd   struct{ someLimits }
	limitsPauseCmd struct {
		someLimits
		term.Why
	}
	limitsResumeCmd struct {
		someLimits
		term.Why
	}
)

// Run shows limits.
func (c *limitsGetCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.each(ctx, t, sendoff.Limits.Get)
}

// Run pauses limits.
func (c *limitsPauseCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.each(ctx, t, sendoff.Limits.Pause)
}

// Run resumes limits.
func (c *limitsResumeCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.each(ctx, t, sendoff.Limits.Resume)
}

func (c *someLimits) each(ctx context.Context, t *term.Terminal, do func(sendoff.Limits, context.Context, string) (*sendoff.LimitState, error)) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.Keys, func(key string) (sendoff.LimitState, error) {
		l, err := do(client.Limits, ctx, key)
		if err != nil {
			return sendoff.LimitState{}, err
		}
		return *l, nil
	})
	switch {
	case c.JSON && len(c.Keys) == 1 && err == nil:
		return t.JSON(done[0])
	case c.JSON:
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	case len(done) > 0:
		printLimits(t, done)
	}
	return err
}

type limitsSetCmd struct {
	remote
	term.Why
	Key         string `arg:"" name:"key" help:"Key of the limit."`
	Concurrency int    `placeholder:"N" help:"So many tasks run at a time, on all nodes together; default any number."`
	Rate        string `placeholder:"100/s" help:"So many start in a second, minute (10/m) or hour (5/h); default any number."`
	Burst       int    `placeholder:"N" help:"Of a rate: so many start at once after a rest; default 1."`
	Paused      bool   `help:"Let nobody enter."`
}

// Run configures a limit.
func (c *limitsSetCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	if c.Concurrency == 0 && c.Rate == "" && !c.Paused {
		return term.Usage("nothing to limit: give --concurrency, --rate or --paused")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	l, err := client.Limits.Set(ctx, c.Key, sendoff.LimitSettings{Concurrency: c.Concurrency, Rate: c.Rate, Burst: c.Burst, Paused: c.Paused})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(l)
	}
	printLimits(t, []sendoff.LimitState{*l})
	return nil
}

type limitsDeleteCmd struct {
	someLimits
	term.Why
}

// forgotten is what --json prints.
type forgotten struct {
	Key string `json:"key"`
}

// Run forgets limits.
func (c *limitsDeleteCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.client()
	if err != nil {
		return err
	}
	done, err := term.EachOf(c.Keys, func(key string) (forgotten, error) { return forgotten{key}, client.Limits.Delete(ctx, key) })
	if c.JSON {
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	}
	for _, d := range done {
		t.Printf("%s  deleted\n", term.Clean(d.Key))
	}
	return err
}

func printLimits(t *term.Terminal, limits []sendoff.LimitState) {
	rows := make([][]string, len(limits))
	number := func(n int) string {
		if n == 0 {
			return "-"
		}
		return strconv.Itoa(n)
	}
	for i, l := range limits {
		state := "named by tasks"
		switch {
		case l.Paused:
			state = "paused"
		case l.Configured:
			state = "configured"
		}
		rows[i] = []string{
			term.Clean(l.Key), state, number(l.Concurrency), cmp.Or(l.Rate, "-"), number(l.Burst), strconv.Itoa(l.Used), strconv.Itoa(l.Waiting),
		}
	}
	t.Table([]string{"LIMIT", "STATE", "CONCURRENCY", "RATE", "BURST", "USED", "WAITING"}, rows)
}
