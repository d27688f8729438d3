package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// stepOps finds the function's context and durable operations within a Step.
func (c *inspection) stepOps(u *unit) []finding {
	var found []finding
	for _, s := range u.sites {
		if _, ok := s.node.(*ast.CallExpr); ok && (s.op.noStep || s.op.name == "" && c.only(s.fn)) {
			found = append(found, at(s.node, codeStepOps, c.called(s)+" within a Step"))
		}
	}
	own := ownContext(u.node.(*ast.FuncLit))
	ast.Inspect(u.node, func(n ast.Node) bool {
		if lit, ok := n.(*ast.FuncLit); ok && n != u.node && c.lits[lit] == step {
			return false // looked at by itself
		}
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		v := c.captured(id, u.node)
		if v == nil || !isContext(v.Type()) {
			return true
		}
		f := at(id, codeStepOps, "the context "+id.Name+" of the function is used within a Step")
		f.edits = renameTo(id, own)
		found = append(found, f)
		return true
	})
	return c.permitted(found)
}

// captured returns the local variable that an identifier uses and that is
// declared outside of a function.
func (c *inspection) captured(id *ast.Ident, lit ast.Node) *types.Var {
	v, ok := c.info.Uses[id].(*types.Var)
	if !ok || v.IsField() || v.Pkg() == nil || v.Parent() == v.Pkg().Scope() {
		return nil
	}
	if lit.Pos() <= v.Pos() && v.Pos() < lit.End() {
		return nil
	}
	return v
}

// ownContext is the name of the context that a function gets; "" when it has none.
func ownContext(lit *ast.FuncLit) string {
	params := lit.Type.Params.List
	if len(params) == 0 || len(params[0].Names) == 0 || params[0].Names[0].Name == "_" {
		return ""
	}
	return params[0].Names[0].Name
}

func renameTo(id *ast.Ident, name string) []analysis.SuggestedFix {
	if name == "" {
		return nil
	}
	return []analysis.SuggestedFix{{
		Message:   "use the Step's context",
		TextEdits: []analysis.TextEdit{{Pos: id.Pos(), End: id.End(), NewText: []byte(name)}},
	}}
}

// stepVars finds variables of the durable function that are changed in a Step.
func (c *inspection) stepVars(u *unit) []finding {
	home := u.home()
	if u.test && !home.proven {
		return nil // a test that counts
	}
	var found []finding
	report := func(e ast.Expr, how string) {
		id := changed(c.info, e)
		if id == nil {
			return
		}
		v := c.captured(id, u.node)
		if v != nil && contains(home.node, identOf(v)) && c.lost(home, u, v) {
			found = append(found, at(e, codeStepVars, id.Name+" "+how+" within a Step"))
		}
	}
	ast.Inspect(u.node, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return n == u.node || c.lits[n] != step
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				report(e, "is assigned")
			}
		case *ast.IncDecStmt:
			report(n.X, "is changed")
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				report(n.Key, "is assigned")
				if n.Value != nil {
					report(n.Value, "is assigned")
				}
			}
		case *ast.CallExpr:
			for _, e := range c.filled(n) {
				report(e, "is filled")
			}
		}
		return true
	})
	return c.permitted(found)
}

// home is the function whose variables are lost: the durable one, as seen from
// a step.
func (u *unit) home() *unit {
	for u.parent != nil && u.role != root {
		u = u.parent
	}
	return u
}

// identOf stands for the place where a variable is declared.
func identOf(v *types.Var) ast.Node { return &ast.Ident{NamePos: v.Pos(), Name: v.Name()} }

// changed is the variable that an assignment to e changes, "" for what a pointer
// that is a receiver leads to.
func changed(info *types.Info, e ast.Expr) *ast.Ident {
	for {
		switch x := ast.Unparen(e).(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			if isReceiver(info, x.X) {
				return nil
			}
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// isReceiver tells whether an expression is the receiver of a method, by
// pointer: what it holds belongs to the program, not to one run.
func isReceiver(info *types.Info, e ast.Expr) bool {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return false
	}
	v, ok := info.Uses[id].(*types.Var)
	if !ok || v.Kind() != types.RecvVar {
		return false
	}
	_, pointer := types.Unalias(v.Type()).(*types.Pointer)
	return pointer
}

// lost tells whether what a step leaves in a variable is wanted outside of it.
func (c *inspection) lost(home, u *unit, v *types.Var) bool {
	if v.Kind() == types.ResultVar {
		return true
	}
	for _, use := range c.uses[v] {
		if contains(home.node, use) && !contains(u.node, use) {
			return true
		}
	}
	return false
}

// filled are the variables that a decoder gets the addresses of.
func (c *inspection) filled(call *ast.CallExpr) []ast.Expr {
	fn := callee(c.info, call)
	if fn == nil || !decodes(fn.Name()) {
		return nil
	}
	var out []ast.Expr
	for _, arg := range call.Args {
		if ref, ok := ast.Unparen(arg).(*ast.UnaryExpr); ok && ref.Op == token.AND {
			out = append(out, ref.X)
		}
	}
	return out
}

func decodes(name string) bool {
	for _, verb := range []string{"Scan", "Sscan", "Fscan", "Unmarshal", "Decode"} {
		if strings.HasPrefix(name, verb) {
			return true
		}
	}
	return false
}
