package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Analyzer reports what the [Rules] forbid. The category of a diagnostic is the
// code of its rule.
var Analyzer = &analysis.Analyzer{
	Name:      "sendoff",
	Doc:       "find mistakes in durable functions\n\nWhat makes a replay differ from the run, is lost in one, or blocks a function that should be suspended. See " + Page + ".",
	URL:       "https://github.com/sendoff-dev/sendoff/blob/main/" + Page,
	Run:       run,
	FactTypes: []analysis.Fact{new(funcFact)},
}

func run(pass *analysis.Pass) (any, error) {
	if !worthwhile(pass) {
		return nil, nil
	}
	c := &inspection{
		pass: pass, info: pass.TypesInfo,
		decls: map[*types.Func]*unit{}, lits: map[*ast.FuncLit]role{}, named: map[*types.Func]role{},
		params: map[*types.Var]role{}, bound: map[*types.Var]*ast.FuncLit{}, uses: map[types.Object][]*ast.Ident{},
		trails: map[*types.Func]trail{}, done: map[reported]bool{},
	}
	c.allow = c.readAllowances()
	c.build()
	c.solve()
	c.exportFacts()
	c.reportAll(c.allow.bad)
	for _, u := range c.units {
		if u.checked() {
			c.reportAll(c.findings(u))
		}
		if _, lit := u.node.(*ast.FuncLit); lit && u.role == step {
			c.reportAll(c.stepOps(u))
			c.reportAll(c.stepVars(u))
		}
		c.reportAll(c.dropped(u))
		c.reportAll(c.encodings(u))
	}
	c.reportAll(c.names())
	return nil, nil
}

// worthwhile tells whether a package can have to do with durable functions: it
// is neither the SDK nor the standard library.
func worthwhile(pass *analysis.Pass) bool {
	path := pass.Pkg.Path()
	first, _, _ := strings.Cut(path, "/")
	std := !strings.Contains(first, ".") && (pass.Module == nil || pass.Module.Path == "") && !mayUse(pass.Pkg)
	return len(pass.Files) > 0 && path != sdk && !strings.HasPrefix(path, sdk+"/internal/durable") && !std
}

// mayUse tells whether a package imports the SDK.
func mayUse(p *types.Package) bool {
	for _, i := range p.Imports() {
		if i.Path() == sdk {
			return true
		}
	}
	return false
}

// finding is a diagnostic to be.
type finding struct {
	pos, end token.Pos
	code     string
	what     string
	why      string // default: that of the rule
	fix      string // default: that of the rule
	edits    []analysis.SuggestedFix
}

func at(n ast.Node, code, what string) finding {
	return finding{pos: n.Pos(), end: n.End(), code: code, what: what}
}

// message says what is wrong, why that matters, and what to write instead.
func (f finding) message() string {
	r, _ := RuleOf(f.code)
	why, fix := f.why, f.fix
	if why == "" {
		why = r.Why
	}
	if fix == "" {
		fix = r.Fix
	}
	return f.code + ": " + f.what + ": " + why + "; " + fix + " (" + r.Docs() + ")"
}

func (c *inspection) reportAll(found []finding) {
	for _, f := range found {
		key := reported{f.pos, f.code}
		if c.done[key] {
			continue
		}
		c.done[key] = true
		r, _ := RuleOf(f.code)
		c.pass.Report(analysis.Diagnostic{
			Pos: f.pos, End: f.end, Category: f.code, URL: r.URL(), Message: f.message(), SuggestedFixes: f.edits,
		})
	}
}

// permitted leaves out what an allow comment allows.
func (c *inspection) permitted(found []finding) []finding {
	var out []finding
	for _, f := range found {
		if !c.allow.has(f.pos, f.code) {
			out = append(out, f)
		}
	}
	return out
}

// findings are those of the rules about durable code.
func (c *inspection) findings(u *unit) []finding {
	var found []finding
	for _, s := range u.sites {
		for _, check := range []func(*unit, site) []finding{
			c.concurrency, c.mapRange, c.outside, c.deferred, c.recovered,
		} {
			found = append(found, check(u, s)...)
		}
	}
	return c.permitted(append(found, c.locks(u)...))
}
