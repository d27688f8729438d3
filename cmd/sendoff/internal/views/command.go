// Package views is sendoff views: what people look at often, saved under a name.
package views

import (
	"cmp"
	"context"
	"net/url"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Command is the grammar of sendoff views.
type Command struct {
	List   listCmd   `cmd:"" default:"withargs" help:"List the views."`
	Set    setCmd    `cmd:"" help:"Save a view for all who use the namespace, or change it."`
	Delete deleteCmd `cmd:"" help:"Forget views."`
}

type listCmd struct{ term.Remote }

// Run lists views.
func (c *listCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	all, err := client.Views.List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	show(t, client.URL(), all...)
	return nil
}

type setCmd struct {
	term.Remote
	term.Why
	Name string `arg:"" name:"name" help:"Name of the view."`
	Page string `arg:"" name:"page" help:"Path of the page with what it selects, such as '/tasks?state=failed', or its whole address."`
}

// Run saves a view.
func (c *setCmd) Run(ctx context.Context, t *term.Terminal) error {
	page, err := url.Parse(c.Page)
	if err != nil {
		return term.Usage("%q is no page: want one such as '/tasks?state=failed'", c.Page)
	}
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	v, err := client.Views.Set(c.Because(ctx), c.Name, sendoff.NewView{Path: page.EscapedPath(), Query: page.RawQuery})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(v)
	}
	show(t, client.URL(), *v)
	return nil
}

type deleteCmd struct {
	term.Remote
	term.Why
	Names []string `arg:"" name:"name" help:"Names of views."`
}

// forgotten is what --json prints.
type forgotten struct {
	Name string `json:"name"`
}

// Run forgets views.
func (c *deleteCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	ctx = c.Because(ctx)
	done, err := term.EachOf(c.Names, func(name string) (forgotten, error) { return forgotten{name}, client.Views.Delete(ctx, name) })
	if c.JSON {
		return cmp.Or(t.JSON(term.ListOf(done)), err)
	}
	for _, d := range done {
		t.Printf("%s  deleted\n", term.Clean(d.Name))
	}
	return err
}

func show(t *term.Terminal, server string, views ...sendoff.View) {
	rows := make([][]string, len(views))
	for i := range views {
		v := &views[i]
		address := server + v.Path
		if v.Query != "" {
			address += "?" + v.Query
		}
		rows[i] = []string{term.Clean(v.Name), term.Clean(address), v.UpdatedAt.Format(time.RFC3339)}
	}
	t.Table([]string{"VIEW", "PAGE", "SAVED"}, rows)
}
