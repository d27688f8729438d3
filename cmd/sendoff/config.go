package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type configCmd struct {
	host.Settings
	JSON bool `name:"json" help:"Print JSON."`
}

// setting is one line of the effective configuration.
type setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Source  string `json:"source"` // flag, env NAME, file PATH, default
	section string
}

// Run prints what serve would do with the same flags, environment and file. It
// opens nothing, and fails as serve would where that can be told.
func (c *configCmd) Run(t *term.Terminal, ctx *kong.Context, r *resolver) error {
	var all []setting
	for _, flag := range ctx.Selected().Flags {
		if len(flag.Envs) > 0 {
			s := setting{Name: flag.Name, Value: c.value(ctx, flag), Source: r.source(ctx, flag)}
			if flag.Group != nil {
				s.section = flag.Group.Title
			}
			all = append(all, s)
		}
	}
	if err := c.print(t, all); err != nil {
		return err
	}
	return c.Check()
}

// print prints a table with a line above each section.
func (c *configCmd) print(t *term.Terminal, all []setting) error {
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	var rows [][]string
	section := ""
	for _, s := range all {
		if s.section != section {
			section = s.section
			rows = append(rows, []string{"# " + section, "", ""})
		}
		rows = append(rows, []string{s.Name, s.Value, s.Source})
	}
	t.Table([]string{"SETTING", "VALUE", "SOURCE"}, rows)
	return nil
}

// value is a setting as text, without its secrets.
func (c *configCmd) value(ctx *kong.Context, flag *kong.Flag) string {
	switch flag.Name {
	case "api-keys":
		if len(c.Listen.APIKeys) == 0 {
			return ""
		}
		return fmt.Sprintf("(%d, not shown)", len(c.Listen.APIKeys))
	case "db", "listen-dsn", "egress-proxy":
		return host.Redacted(fmt.Sprint(ctx.FlagValue(flag)))
	case "secret-file":
		return c.SecretPath()
	case "keys-file":
		return c.KeysPath()
	}
	if list, ok := ctx.FlagValue(flag).([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(ctx.FlagValue(flag))
}
