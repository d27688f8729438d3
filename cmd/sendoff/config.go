package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type configCmd struct {
	settings
	JSON bool `name:"json" help:"Print JSON."`
}

// setting is one line of the effective configuration.
type setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"` // flag, env NAME, file PATH, default
}

// Run prints what serve would do with the same flags, environment and file. It
// opens nothing, and fails as serve would where that can be told.
func (c *configCmd) Run(t *terminal, ctx *kong.Context, r *resolver) error {
	var all []setting
	for _, flag := range ctx.Selected().Flags {
		if len(flag.Envs) > 0 {
			all = append(all, setting{flag.Name, c.value(ctx, flag), r.source(ctx, flag)})
		}
	}
	if err := c.print(t, all); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	_, _, err := c.addr()
	return err
}

func (c *configCmd) print(t *terminal, all []setting) error {
	if c.JSON {
		return t.json(listOf(all))
	}
	rows := make([][]string, len(all))
	for i, s := range all {
		rows[i] = []string{s.Name, s.Value, s.Source}
	}
	t.table([]string{"SETTING", "VALUE", "SOURCE"}, rows)
	return nil
}

// value is a setting as text, without its secrets.
func (c *configCmd) value(ctx *kong.Context, flag *kong.Flag) string {
	switch flag.Name {
	case "api-keys":
		if len(c.APIKeys) == 0 {
			return ""
		}
		return fmt.Sprintf("(%d, not shown)", len(c.APIKeys))
	case "db", "listen-dsn":
		return redacted(fmt.Sprint(ctx.FlagValue(flag)))
	case "keys-file":
		return c.keysFile()
	}
	if list, ok := ctx.FlagValue(flag).([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(ctx.FlagValue(flag))
}
