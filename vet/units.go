package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/analysis"
)

// inspection looks at one package.
type inspection struct {
	pass  *analysis.Pass
	info  *types.Info
	units []*unit
	decls map[*types.Func]*unit

	lits   map[*ast.FuncLit]role         // functions passed to the SDK
	named  map[*types.Func]role          // the same for declared ones
	params map[*types.Var]role           // parameters that are passed on to the SDK
	bound  map[*types.Var]*ast.FuncLit   // variables that hold one function for ever
	uses   map[types.Object][]*ast.Ident // of variables
	trails map[*types.Func]trail
	allow  *allowances
	done   map[reported]bool
}

type reported struct {
	pos  token.Pos
	code string
}

// unit is a piece of code that runs as a whole: a declared function with the
// literals in it, or a literal that the SDK runs.
type unit struct {
	node   ast.Node // FuncDecl, FuncLit, or GenDecl of variables
	fn     *types.Func
	role   role
	parent *unit
	loose  bool // a literal that may be called by others
	test   bool // in a test file

	sites   []site
	ops     []site // that are on record
	reaches bool   // a durable operation is on its way
	only    bool   // it works in a durable function only
	proven  bool   // it runs in a durable function
	recover bool   // it calls recover itself
}

// site is a node of interest, with the nodes around it within the unit.
type site struct {
	node  ast.Node
	stack []ast.Node
	fn    *types.Func // called there
	op    op
}

// build finds the units of the package.
func (c *inspection) build() {
	c.findRoles()
	for _, f := range c.pass.Files {
		test := isTest(c.pass.Fset, f.Pos())
		for _, d := range f.Decls {
			u := &unit{node: d, test: test}
			if decl, ok := d.(*ast.FuncDecl); ok {
				u.fn, _ = c.info.Defs[decl.Name].(*types.Func)
				u.role = c.named[u.fn]
				c.decls[u.fn] = u
			}
			c.add(u, nil)
		}
	}
}

func isTest(fset *token.FileSet, pos token.Pos) bool {
	name := fset.Position(pos).Filename
	return len(name) > 8 && name[len(name)-8:] == "_test.go"
}

// add takes a unit in, and the units within it. A literal that belongs to the
// code around it knows what that is.
func (c *inspection) add(u *unit, around []ast.Node) {
	c.units = append(c.units, u)
	ast.PreorderStack(u.node, slices.Clone(around), func(n ast.Node, stack []ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			if n == u.node {
				break
			}
			if r := c.lits[n]; r != plain {
				c.add(&unit{node: n, role: r, parent: u, test: u.test}, nil)
				return false
			}
			if u.role != step && c.isLoose(n) {
				c.add(&unit{node: n, loose: true, parent: u, test: u.test}, stack)
				return false
			}
		case *ast.GoStmt:
			u.sites = append(u.sites, site{node: n, stack: slices.Clone(stack)})
			c.addSpawned(u, n)
			return false // whatever it does, it must not be there
		case *ast.CallExpr:
			c.addCall(u, n, stack)
		case *ast.SendStmt, *ast.UnaryExpr, *ast.SelectStmt, *ast.RangeStmt:
			u.sites = append(u.sites, site{node: n, stack: slices.Clone(stack)})
		}
		return true
	})
}

// addSpawned counts the durable operations of a goroutine as those of the code
// that starts it: often they are the only ones.
func (c *inspection) addSpawned(u *unit, g *ast.GoStmt) {
	ast.Inspect(g, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		s := site{node: call, fn: callee(c.info, call)}
		if s.op, _ = opOf(s.fn); s.op.durable {
			u.ops = append(u.ops, s)
		}
		return true
	})
}

// isLoose tells whether a literal gets a context of its own: somebody else may
// call it, later.
func (c *inspection) isLoose(lit *ast.FuncLit) bool {
	params := lit.Type.Params.List
	return len(params) > 0 && isContext(c.info.TypeOf(params[0].Type))
}

func (c *inspection) addCall(u *unit, call *ast.CallExpr, stack []ast.Node) {
	s := site{node: call, stack: slices.Clone(stack), fn: callee(c.info, call)}
	s.op, _ = opOf(s.fn)
	u.sites = append(u.sites, s)
	if s.op.durable {
		u.ops = append(u.ops, s)
		u.only = u.only || s.op.only
	}
	if id, ok := ast.Unparen(call.Fun).(*ast.Ident); ok && c.info.Uses[id] == types.Universe.Lookup("recover") {
		u.recover = true
	}
}

// findRoles finds out which functions the SDK runs: those passed to it, also
// through variables and through functions of the user that pass them on.
func (c *inspection) findRoles() {
	c.indexVariables()
	for before := -1; before != c.known(); {
		before = c.known()
		for _, f := range c.pass.Files {
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					for i, r := range c.bodies(call) {
						if i < len(call.Args) {
							c.mark(call.Args[i], r)
						}
					}
				}
				return true
			})
		}
		c.findSteppers()
	}
}

func (c *inspection) known() int { return len(c.lits) + len(c.named) + len(c.params) }

// bodies are the arguments of a call that the SDK will run.
func (c *inspection) bodies(call *ast.CallExpr) map[int]role {
	fn := callee(c.info, call)
	if o, ok := opOf(fn); ok || fn == nil {
		return o.bodies
	}
	out := map[int]role{}
	if fn.Pkg() != c.pass.Pkg {
		for i, r := range c.fact(fn).Params {
			if r != plain {
				out[i] = r
			}
		}
		return out
	}
	for i := range fn.Signature().Params().Len() {
		if r := c.params[fn.Signature().Params().At(i)]; r != plain {
			out[i] = r
		}
	}
	return out
}

// mark notes that the SDK runs what an expression stands for.
func (c *inspection) mark(e ast.Expr, r role) {
	if lit, ok := ast.Unparen(e).(*ast.FuncLit); ok {
		c.lits[lit] = r
		return
	}
	switch o := referent(c.info, e).(type) {
	case *types.Func:
		if old := c.named[o.Origin()]; old == plain || old == step {
			c.named[o.Origin()] = r
		}
	case *types.Var:
		if lit := c.bound[o]; lit != nil {
			c.lits[lit] = r
		} else if isFunction(o.Type()) {
			c.params[o] = r
		}
	}
}

func isFunction(t types.Type) bool {
	_, ok := t.Underlying().(*types.Signature)
	return ok
}

// findSteppers finds parameters that are functions and called in steps only.
func (c *inspection) findSteppers() {
	for _, f := range c.pass.Files {
		for _, d := range f.Decls {
			decl, ok := d.(*ast.FuncDecl)
			if !ok || decl.Type.Params == nil {
				continue
			}
			for _, field := range decl.Type.Params.List {
				for _, name := range field.Names {
					v, _ := c.info.Defs[name].(*types.Var)
					if v != nil && isFunction(v.Type()) && c.params[v] == plain && c.inSteps(v) {
						c.params[v] = step
					}
				}
			}
		}
	}
}

// inSteps tells whether all uses of a variable are within steps.
func (c *inspection) inSteps(v *types.Var) bool {
	for _, use := range c.uses[v] {
		inside := false
		for lit, r := range c.lits {
			inside = inside || r == step && contains(lit, use)
		}
		if !inside {
			return false
		}
	}
	return len(c.uses[v]) > 0
}

func contains(outer, inner ast.Node) bool {
	return outer.Pos() <= inner.Pos() && inner.End() <= outer.End()
}

// indexVariables notes where variables are used, and which hold one function.
func (c *inspection) indexVariables() {
	for id, o := range c.info.Uses {
		if v, ok := o.(*types.Var); ok && !v.IsField() {
			c.uses[v] = append(c.uses[v], id)
		}
	}
	for _, f := range c.pass.Files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, e := range n.Lhs {
					if id, ok := e.(*ast.Ident); ok && len(n.Lhs) == len(n.Rhs) {
						c.bind(id, n.Rhs[i])
					}
				}
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if i < len(n.Values) {
						c.bind(id, n.Values[i])
					}
				}
			}
			return true
		})
	}
}

// bind notes that a variable gets a value; a second one makes it unknown.
func (c *inspection) bind(id *ast.Ident, to ast.Expr) {
	lit, _ := ast.Unparen(to).(*ast.FuncLit)
	if v, ok := c.info.Defs[id].(*types.Var); ok && lit != nil {
		c.bound[v] = lit
		return
	}
	if v, ok := c.info.Uses[id].(*types.Var); ok {
		delete(c.bound, v)
	}
}
