package access

import (
	"cmp"
	"context"
	"strconv"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Namespaces is the grammar of sendoff namespaces.
type Namespaces struct {
	List namespacesListCmd `cmd:"" help:"List namespaces, with what they may use."`
	Set  namespacesSetCmd  `cmd:"" help:"Set what a namespace may use, which is made when it is new."`
}

type namespacesListCmd struct{ term.Remote }

// Run lists namespaces.
func (c *namespacesListCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	all, err := client.Namespaces.List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	printNamespaces(t, all)
	return nil
}

type namespacesSetCmd struct {
	term.Remote
	term.Why
	Name  string `arg:"" help:"Name of the namespace."`
	Rate  string `placeholder:"100/s" help:"Submissions in a second, minute (10/m) or hour (5/h), on each node; default any number."`
	Burst int    `placeholder:"N" help:"Of a rate: so many may come at once; default those of a second."`
	Tasks int64  `placeholder:"N" help:"Tasks that have not ended, or have failed and are kept; default any number."`

	Bytes     host.Size `placeholder:"SIZE" help:"Payloads of all tasks that are stored, such as 500MB; default any size."`
	Schedules int64     `placeholder:"N" help:"Schedules; default any number."`
}

// Run sets what a namespace may use.
func (c *namespacesSetCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	n, err := client.Namespaces.Set(ctx, c.Name, sendoff.Quota{Rate: c.Rate, Burst: c.Burst, Tasks: c.Tasks, Bytes: int64(c.Bytes), Schedules: c.Schedules})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(n)
	}
	printNamespaces(t, []sendoff.Namespace{*n})
	return nil
}

func printNamespaces(t *term.Terminal, all []sendoff.Namespace) {
	number := func(n int64) string {
		if n == 0 {
			return "-"
		}
		return strconv.FormatInt(n, 10)
	}
	rows := make([][]string, len(all))
	for i, n := range all {
		rows[i] = []string{term.Clean(n.Name), cmp.Or(n.Quota.Rate, "-"), number(int64(n.Quota.Burst)), number(n.Quota.Tasks), number(n.Quota.Bytes), number(n.Quota.Schedules), timeText(n.CreatedAt)}
	}
	t.Table([]string{"NAMESPACE", "RATE", "BURST", "TASKS", "BYTES", "SCHEDULES", "CREATED"}, rows)
}
