package vet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/token"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"
)

// Config says what to look at.
type Config struct {
	Dir     string // where the go command runs; "" = here
	NoTests bool   // leave test files out
}

// Finding is something that a rule forbids.
type Finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Docs    string `json:"docs"`
	Fix     string `json:"fix,omitempty"` // what can be written instead, where that is known exactly
}

// String is the finding in one line, as compilers write them.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
}

// Packages looks at the packages that the patterns name, as the go command
// understands them. The findings are in the order of files and lines. The error
// says what could not be loaded.
func Packages(ctx context.Context, cfg Config, patterns ...string) ([]Finding, error) {
	pkgs, err := load(ctx, cfg, patterns)
	if err != nil {
		return nil, err
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{Analyzer}, pkgs, nil)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for _, act := range graph.Roots {
		if act.Err != nil {
			return nil, fmt.Errorf("%s: %w", act.Package.PkgPath, act.Err)
		}
		for _, d := range act.Diagnostics {
			found = append(found, findingOf(act.Package.Fset, d))
		}
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(found), nil // a package is there twice when it has tests
}

func findingOf(fset *token.FileSet, d analysis.Diagnostic) Finding {
	p := fset.Position(d.Pos)
	f := Finding{File: p.Filename, Line: p.Line, Column: p.Column, Code: d.Category, Message: d.Message, Docs: d.URL}
	if len(d.SuggestedFixes) > 0 && len(d.SuggestedFixes[0].TextEdits) > 0 {
		f.Fix = string(d.SuggestedFixes[0].TextEdits[0].NewText)
	}
	return f
}

// load loads the packages with their syntax, and those that they depend on and
// that can have to do with durable functions: those of the same module, and those
// that use the SDK. Of all others the types are enough.
func load(ctx context.Context, cfg Config, patterns []string) ([]*packages.Package, error) {
	light := &packages.Config{
		Context: ctx, Dir: cfg.Dir, Tests: !cfg.NoTests,
		Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedModule,
	}
	roots, err := packages.Load(light, patterns...)
	if err != nil {
		return nil, err
	}
	if err := broken(roots, packages.ListError); err != nil {
		return nil, err
	}
	full := *light
	full.Mode = packages.LoadSyntax | packages.NeedModule
	all, err := packages.Load(&full, append(slices.Clone(patterns), related(roots)...)...)
	if err != nil {
		return nil, err
	}
	prune(all)
	wanted := map[string]bool{}
	for _, p := range roots {
		wanted[p.ID] = true
	}
	all = slices.DeleteFunc(all, func(p *packages.Package) bool { return !wanted[p.ID] })
	return all, broken(all)
}

// related are the dependencies whose functions are followed.
func related(roots []*packages.Package) []string {
	modules := map[string]bool{}
	for _, p := range roots {
		if p.Module != nil {
			modules[p.Module.Path] = true
		}
	}
	users, paths := map[*packages.Package]bool{}, []string{}
	packages.Visit(roots, nil, func(p *packages.Package) {
		users[p] = p.PkgPath == sdk
		for _, i := range p.Imports {
			users[p] = users[p] || users[i]
		}
		ours := p.Module != nil && modules[p.Module.Path]
		if (ours || users[p]) && p.ID == p.PkgPath {
			paths = append(paths, p.PkgPath)
		}
	})
	return paths
}

// prune removes the dependencies that were not loaded with their syntax.
func prune(all []*packages.Package) {
	loaded := map[*packages.Package]bool{}
	for _, p := range all {
		loaded[p] = true
	}
	for _, p := range all {
		for path, i := range p.Imports {
			if !loaded[i] {
				delete(p.Imports, path)
			}
		}
	}
}

// broken says what is wrong with packages and what they import; only errors of
// some kinds when any are named.
func broken(pkgs []*packages.Package, kinds ...packages.ErrorKind) error {
	var errs []error
	for p := range packages.Postorder(pkgs) {
		for _, e := range p.Errors {
			if len(kinds) == 0 || slices.Contains(kinds, e.Kind) {
				errs = append(errs, e)
			}
		}
	}
	if len(pkgs) == 0 {
		return errors.New("no packages")
	}
	return errors.Join(errs...)
}
