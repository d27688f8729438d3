package main

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type tasksRestartCmd struct {
	someTasks
	term.Why
}

// Run begins functions again from their inputs.
func (c *tasksRestartCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return c.act(ctx, t, sendoff.Tasks.Restart)
}

type tasksSignalCmd struct {
	remote
	ID    string `arg:"" name:"id" help:"Id of a function."`
	Name  string `arg:"" name:"name" help:"Name of the signal."`
	Value string `arg:"" optional:"" name:"json" help:"Value: JSON, or - for stdin. Default null."`

	Function string `placeholder:"NAME" help:"Start this function with the id unless it is there, in one step with the signal."`
	Endpoint string `placeholder:"URL" help:"Of --function."`
	Payload  string `short:"p" placeholder:"JSON" help:"Input of --function."`
}

// Run sends a signal.
func (c *tasksSignalCmd) Run(ctx context.Context, t *term.Terminal) error {
	value, err := c.value(os.Stdin)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	if c.Function != "" {
		return c.start(ctx, t, client, value)
	}
	if c.Endpoint != "" || c.Payload != "" {
		return term.Usage("--endpoint and --payload belong to --function")
	}
	if err := client.Tasks.Signal(ctx, c.ID, c.Name, value); err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(map[string]string{"id": c.ID, "signal": c.Name})
	}
	t.Printf("%s  signal %s is delivered\n", c.ID, term.Clean(c.Name))
	return nil
}

// start starts the function unless it is there, and signals it.
func (c *tasksSignalCmd) start(ctx context.Context, t *term.Terminal, client *sendoff.Client, value json.RawMessage) error {
	n := sendoff.NewTask{ID: c.ID, Function: c.Function, Endpoint: c.Endpoint, Signal: &sendoff.StartSignal{Name: c.Name, Value: value}}
	if c.Payload != "" {
		if !json.Valid([]byte(c.Payload)) {
			return term.Usage("the payload is not JSON: quote it, as in '\"yes\"' or '{\"approved\":true}'")
		}
		n.Payload = json.RawMessage(c.Payload)
	}
	task, err := client.Submit(ctx, n)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(task)
	}
	what := "started"
	if task.Existing {
		what = "was there already"
	}
	t.Printf("%s  %s, signal %s is delivered\n", c.ID, what, term.Clean(c.Name))
	return nil
}

func (c *tasksSignalCmd) value(stdin io.Reader) (json.RawMessage, error) {
	text := []byte(c.Value)
	if c.Value == "-" {
		var err error
		if text, err = io.ReadAll(stdin); err != nil {
			return nil, err
		}
	}
	if len(text) == 0 {
		text = []byte("null")
	}
	if !json.Valid(text) {
		return nil, term.Usage("the value is not JSON: quote it, as in '\"yes\"' or '{\"approved\":true}'")
	}
	return text, nil
}
