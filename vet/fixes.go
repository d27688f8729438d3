package vet

import (
	"bytes"
	"go/ast"
	"go/printer"
	"go/token"
	"go/types"
	"slices"
	"strconv"

	"golang.org/x/tools/go/analysis"
)

func itoa(n int) string { return strconv.Itoa(n) }

// fixCall replaces a call by the operation that is on record, where that is a
// matter of writing it.
func (c *inspection) fixCall(s site, call *ast.CallExpr) []analysis.SuggestedFix {
	ctx, pkg := c.contextAt(s), c.importName(call.Pos())
	if ctx == "" || pkg == "" {
		return nil
	}
	text := c.replacement(s, call, pkg, ctx)
	if text == "" {
		return nil
	}
	return []analysis.SuggestedFix{{
		Message:   "write " + text,
		TextEdits: []analysis.TextEdit{{Pos: call.Pos(), End: call.End(), NewText: []byte(text)}},
	}}
}

func (c *inspection) replacement(s site, call *ast.CallExpr, pkg, ctx string) string {
	switch name := s.fn.FullName(); name {
	case "time.Now":
		return pkg + ".Now(" + ctx + ")"
	case "time.Since":
		return pkg + ".Now(" + ctx + ").Sub(" + c.text(call.Args[0]) + ")"
	case "time.Until":
		return operandText(c.text(call.Args[0]), call.Args[0]) + ".Sub(" + pkg + ".Now(" + ctx + "))"
	case "time.Sleep":
		return pkg + ".Sleep(" + ctx + ", " + c.text(call.Args[0]) + ")"
	case "context.WithTimeout":
		return pkg + ".WithTimeout(" + c.text(call.Args[0]) + ", " + c.text(call.Args[1]) + ")"
	case "github.com/google/uuid.NewString":
		return pkg + ".NewID(" + ctx + ")"
	}
	if s.fn.Pkg().Path() != "math/rand/v2" || s.fn.Name() == "N" {
		return ""
	}
	var args bytes.Buffer
	for i, arg := range call.Args {
		if i > 0 {
			args.WriteString(", ")
		}
		args.WriteString(c.text(arg))
	}
	return pkg + ".Rand(" + ctx + ")." + s.fn.Name() + "(" + args.String() + ")"
}

// operandText puts what is not a name or a call into parentheses.
func operandText(text string, e ast.Expr) string {
	switch ast.Unparen(e).(type) {
	case *ast.Ident, *ast.SelectorExpr, *ast.CallExpr, *ast.IndexExpr:
		return text
	}
	return "(" + text + ")"
}

// fixGo makes a branch of a go statement. The Future stays to be waited for.
func (c *inspection) fixGo(s site, g *ast.GoStmt) []analysis.SuggestedFix {
	ctx, pkg := c.contextAt(s), c.importName(g.Pos())
	if ctx == "" || pkg == "" {
		return nil
	}
	body := c.text(g.Call)
	if lit, ok := ast.Unparen(g.Call.Fun).(*ast.FuncLit); ok && len(g.Call.Args) == 0 && !returns(lit) {
		body = inner(c.text(lit.Body))
	}
	text := pkg + ".Go(" + ctx + ", func(" + ctx + " context.Context) (struct{}, error) {\n" + body + "\nreturn struct{}{}, nil\n})"
	if !c.imports(g.Pos(), "context") {
		return nil
	}
	return []analysis.SuggestedFix{{
		Message:   "run it as a branch; Await its Future where the result is needed",
		TextEdits: []analysis.TextEdit{{Pos: g.Pos(), End: g.End(), NewText: []byte(text)}},
	}}
}

// returns tells whether a function returns before its end.
func returns(lit *ast.FuncLit) bool {
	found := false
	ast.Inspect(lit.Body, func(n ast.Node) bool {
		_, ret := n.(*ast.ReturnStmt)
		found = found || ret
		return !found && (n == nil || !isLit(n))
	})
	return found
}

// inner is the text of a block without its braces.
func inner(block string) string {
	return string(bytes.TrimSpace([]byte(block[1 : len(block)-1])))
}

// text is the source of a node.
func (c *inspection) text(n ast.Node) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, c.pass.Fset, n); err != nil {
		return ""
	}
	return b.String()
}

// contextAt is the name of the context parameter of the innermost function
// around a site that has one; "" when there is none or another thing has that
// name there.
func (c *inspection) contextAt(s site) string {
	for _, v := range slices.Backward(s.stack) {
		var params *ast.FieldList
		switch n := v.(type) {
		case *ast.FuncLit:
			params = n.Type.Params
		case *ast.FuncDecl:
			params = n.Type.Params
		default:
			continue
		}
		if name := c.contextIn(params, s.node.Pos()); name != "" {
			return name
		}
	}
	return ""
}

func (c *inspection) contextIn(params *ast.FieldList, pos token.Pos) string {
	for _, field := range params.List {
		for _, name := range field.Names {
			v := c.info.Defs[name]
			if v == nil || name.Name == "_" || !isContext(v.Type()) {
				continue
			}
			scope := c.pass.Pkg.Scope().Innermost(pos)
			if scope == nil {
				continue
			}
			if _, o := scope.LookupParent(name.Name, pos); o == v {
				return name.Name
			}
		}
	}
	return ""
}

// importName is how a file calls the SDK; "" when it does not import it.
func (c *inspection) importName(pos token.Pos) string {
	for _, f := range c.pass.Files {
		if pos < f.FileStart || pos > f.FileEnd {
			continue
		}
		for _, i := range f.Imports {
			if p := c.importOf(i); p != nil && p.Imported().Path() == sdk && p.Name() != "." && p.Name() != "_" {
				return p.Name()
			}
		}
	}
	return ""
}

func (c *inspection) importOf(i *ast.ImportSpec) *types.PkgName {
	if i.Name != nil {
		p, _ := c.info.Defs[i.Name].(*types.PkgName)
		return p
	}
	p, _ := c.info.Implicits[i].(*types.PkgName)
	return p
}

// imports tells whether the file at a position imports a package by its own name.
func (c *inspection) imports(pos token.Pos, path string) bool {
	for _, f := range c.pass.Files {
		if pos < f.FileStart || pos > f.FileEnd {
			continue
		}
		for _, i := range f.Imports {
			if p := c.importOf(i); i.Name == nil && p != nil && p.Imported().Path() == path {
				return true
			}
		}
	}
	return false
}
