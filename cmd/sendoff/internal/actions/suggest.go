package actions

import (
	"context"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Suggest is sendoff tasks suggest.
type Suggest struct {
	term.Remote
	Field  string `arg:"" help:"A filter of tasks, such as queue, target_host or label.tenant; label for names of labels."`
	Prefix string `arg:"" optional:"" help:"How the values begin."`
}

// Run prints values, one a line.
func (c *Suggest) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	values, err := client.Tasks.Suggest(ctx, c.Field, c.Prefix)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(values))
	}
	for _, v := range values {
		t.Printf("%s\n", term.Clean(v))
	}
	return nil
}
