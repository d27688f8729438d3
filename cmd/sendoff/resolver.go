package main

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// resolver gives flags their values: what the command line says wins over the
// environment, that over the file of --config, that over the default. It
// remembers where a value came from.
type resolver struct {
	loaded bool
	path   string
	file   map[string]string // by flag name
	from   map[string]string
	err    error // of the file: returned by Resolve it would be blamed on a flag
}

var _ kong.Resolver = (*resolver)(nil)

// Validate implements kong.Resolver.
func (r *resolver) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. It is asked for flags that are not on the
// command line.
func (r *resolver) Resolve(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	r.load(ctx, parent)
	for _, name := range flag.Envs {
		if value, ok := os.LookupEnv(name); ok {
			r.from[flag.Name] = "env " + name
			return value, nil
		}
	}
	if value, ok := r.file[flag.Name]; ok {
		r.from[flag.Name] = "file " + r.path
		return value, nil
	}
	return nil, nil
}

// load reads the file when the command has --config of its settings.
func (r *resolver) load(ctx *kong.Context, parent *kong.Path) {
	i := slices.IndexFunc(parent.Flags, func(f *kong.Flag) bool { return f.Name == "config" && len(f.Envs) > 0 })
	if r.from == nil {
		r.from = map[string]string{}
	}
	if r.loaded || i < 0 {
		return
	}
	r.loaded = true
	given, _ := ctx.FlagValue(parent.Flags[i]).(string)
	if r.path = cmp.Or(given, os.Getenv("SENDOFF_CONFIG")); r.path == "" {
		return
	}
	var known []string
	for _, f := range parent.Flags {
		if len(f.Envs) > 0 && f.Name != "config" {
			known = append(known, f.Name)
		}
	}
	r.file, r.err = readFile(r.path, known)
}

// source says where a flag's value came from.
func (r *resolver) source(ctx *kong.Context, flag *kong.Flag) string {
	if from, ok := r.from[flag.Name]; ok {
		return from
	}
	for _, p := range ctx.Path {
		if p.Flag == flag && !p.Resolved {
			return "flag"
		}
	}
	return "default"
}

// unknownVariables returns the variables of the environment that are named as
// settings are and that no command reads. What orchestrators set for a service
// called sendoff is left out.
func unknownVariables(app *kong.Application, environ []string) (unknown []string) {
	known := map[string]bool{}
	var add func(*kong.Node)
	add = func(n *kong.Node) {
		for _, f := range n.Flags {
			for _, name := range f.Envs {
				known[name] = true
			}
		}
		for _, child := range n.Children {
			add(child)
		}
	}
	add(app.Node)
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		rest, ours := strings.CutPrefix(name, "SENDOFF_")
		if ours && !known[name] && !slices.Contains(elsewhere, rest) && !strings.HasPrefix(rest, "PORT") && !strings.HasPrefix(rest, "SERVICE_") {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// elsewhere are variables that apps and tests read.
var elsewhere = []string{"URL", "API_KEY", "WEBHOOK_SECRET", "CHAOS", "UNSAFE_SYNCHRONOUS"}
