// Package ack is the commands sendoff tasks complete, fail, heartbeat and progress: how a push ends
// that was answered 202 with "Sendoff-Ack: manual", and how far an attempt is.
package ack

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type attempt struct {
	term.Remote
	ID    string `arg:"" name:"id" help:"Id of the task."`
	Token int64  `arg:"" name:"token" help:"Sendoff-Token of the push."`
}

// Complete is the grammar of sendoff tasks complete.
type Complete struct {
	attempt
	Result string `arg:"" optional:"" name:"json" help:"What came of it: JSON."`
}

// Fail is the grammar of sendoff tasks fail.
type Fail struct {
	attempt
	Error   string        `placeholder:"TEXT" help:"What went wrong, for people."`
	NoRetry bool          `help:"Never try it again."`
	Delay   time.Duration `placeholder:"90s" help:"Until the next attempt, at most 24h, in place of the backoff."`
}

// Heartbeat is the grammar of sendoff tasks heartbeat.
type Heartbeat struct {
	attempt
	Extend time.Duration `required:"" placeholder:"10m" help:"How long it may go on from now, 1s to 24h."`
}

// Progress is the grammar of sendoff tasks progress.
type Progress struct {
	attempt
	Done  int64  `placeholder:"N" help:"How much is done."`
	Total int64  `placeholder:"N" help:"Of how much, when that is known."`
	Text  string `placeholder:"TEXT" help:"What it is at, for people."`
}

// Run tells that the task is done.
func (c *Complete) Run(ctx context.Context, t *term.Terminal) error {
	var result any
	if c.Result != "" {
		if !json.Valid([]byte(c.Result)) {
			return term.Usage("the result is not JSON: quote it, as in '\"yes\"' or '{\"pages\":3}'")
		}
		result = json.RawMessage(c.Result)
	}
	return c.tell(t, "complete", func(ts sendoff.Tasks) error { return ts.Complete(ctx, c.ID, c.Token, result) })
}

// Run tells that the attempt has failed.
func (c *Fail) Run(ctx context.Context, t *term.Terminal) error {
	f := sendoff.Failure{Error: c.Error, Final: c.NoRetry, Delay: c.Delay}
	return c.tell(t, "failed", func(ts sendoff.Tasks) error { return ts.Fail(ctx, c.ID, c.Token, f) })
}

// Run has the attempt go on.
func (c *Heartbeat) Run(ctx context.Context, t *term.Terminal) error {
	return c.tell(t, "goes on for "+c.Extend.String(), func(ts sendoff.Tasks) error { return ts.Heartbeat(ctx, c.ID, c.Token, c.Extend) })
}

// Run tells how far the attempt is.
func (c *Progress) Run(ctx context.Context, t *term.Terminal) error {
	p := sendoff.Progress{Done: c.Done, Total: c.Total, Text: c.Text}
	return c.tell(t, term.Progress(&p), func(ts sendoff.Tasks) error { return ts.Progress(ctx, c.ID, c.Token, p) })
}

func (a *attempt) tell(t *term.Terminal, what string, tell func(sendoff.Tasks) error) error {
	client, err := a.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	if err := tell(client.Tasks); err != nil {
		return err
	}
	if a.JSON {
		return t.JSON(map[string]any{"id": a.ID, "token": a.Token, "told": what})
	}
	t.Printf("%s  %s\n", term.Clean(a.ID), what)
	return nil
}
