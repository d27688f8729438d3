package vet

import (
	"go/ast"
	"go/constant"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// dropped finds futures and tail calls that nobody uses.
func (c *inspection) dropped(u *unit) []finding {
	var found []finding
	for _, s := range u.sites {
		call, ok := s.node.(*ast.CallExpr)
		if !ok || !s.op.future && !s.op.must || !unused(s.stack, call) || c.detached(call) {
			continue
		}
		f := at(call, codeDropped, "the Future of "+c.called(s)+" is dropped")
		if s.op.must {
			f.what = "the result of " + c.called(s) + " is dropped"
			f.why, f.fix = "a tail call happens when the function returns it as its error", "return it"
		}
		found = append(found, f)
	}
	return c.permitted(found)
}

// unused tells whether a call's result goes nowhere.
func unused(stack []ast.Node, call *ast.CallExpr) bool {
	for _, s := range slices.Backward(stack) {
		switch p := s.(type) {
		case *ast.ParenExpr:
			continue
		case *ast.ExprStmt, *ast.DeferStmt:
			return true
		case *ast.AssignStmt:
			j := slices.IndexFunc(p.Rhs, func(e ast.Expr) bool { return ast.Unparen(e) == call })
			return j >= 0 && j < len(p.Lhs) && isBlank(p.Lhs[j])
		}
		return false
	}
	return false
}

func isBlank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "_"
}

// detached tells whether a call is made to be left alone, or may be.
func (c *inspection) detached(call *ast.CallExpr) bool {
	if call.Ellipsis.IsValid() {
		return true
	}
	for _, arg := range call.Args {
		if option, ok := ast.Unparen(arg).(*ast.CallExpr); ok {
			if o, ok := opOf(callee(c.info, option)); ok && o.name == "Detached" {
				return true
			}
		}
	}
	return false
}

// names finds functions of one name in one place. Names of steps may repeat:
// a step is known by its place.
func (c *inspection) names() []finding {
	first := map[any]ast.Node{}
	var found []finding
	for _, u := range c.units {
		for _, s := range u.sites {
			call, ok := s.node.(*ast.CallExpr)
			if !ok || s.op.name != "Func" || len(call.Args) == 0 {
				continue
			}
			tv := c.info.Types[call.Args[0]]
			if tv.Value == nil || tv.Value.Kind() != constant.String {
				continue
			}
			key := struct {
				name  string
				test  bool
				place ast.Node
			}{constant.StringVal(tv.Value), u.test, block(s.stack)}
			if before := first[key]; before != nil {
				p := c.pass.Fset.Position(before.Pos())
				f := at(call.Args[0], codeNames, "another function is named "+tv.Value.String()+" at line "+itoa(p.Line))
				found = append(found, f)
				continue
			}
			first[key] = call
		}
	}
	return c.permitted(found)
}

// block is the innermost block around a node, nil at package level.
func block(stack []ast.Node) ast.Node {
	for _, s := range slices.Backward(stack) {
		switch s.(type) {
		case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause:
			return s
		}
	}
	return nil
}

// encodings finds types that do not survive the record.
func (c *inspection) encodings(u *unit) []finding {
	var found []finding
	for _, s := range u.sites {
		call, ok := s.node.(*ast.CallExpr)
		if !ok || len(s.op.types) == 0 {
			continue
		}
		args := c.typeArgs(call.Fun)
		for i := range args.Len() {
			use := s.op.types[i]
			if use == "" {
				continue
			}
			if bad := lossy(args.At(i)); bad != "" {
				f := at(call.Fun, codeTypes, "the "+use+" of sendoff."+s.op.name+" cannot be encoded: "+bad)
				found = append(found, f)
				break
			}
		}
	}
	return c.permitted(found)
}

// typeArgs are the type arguments of a generic function that is called.
func (c *inspection) typeArgs(fun ast.Expr) *types.TypeList {
	switch e := ast.Unparen(fun).(type) {
	case *ast.Ident:
		return c.info.Instances[e].TypeArgs
	case *ast.SelectorExpr:
		return c.info.Instances[e.Sel].TypeArgs
	case *ast.IndexExpr:
		return c.typeArgs(e.X)
	case *ast.IndexListExpr:
		return c.typeArgs(e.X)
	}
	return nil
}

// lossy tells what of a type cannot be put on record; "" when all can.
func lossy(t types.Type) string {
	if isUntyped(t) || has(t, "ProtoReflect") {
		return ""
	}
	return (&encoding{seen: map[types.Type]bool{}}).check(t, "it")
}

// isUntyped tells whether a type is any.
func isUntyped(t types.Type) bool {
	i, ok := t.Underlying().(*types.Interface)
	_, param := types.Unalias(t).(*types.TypeParam)
	return ok && !param && i.NumMethods() == 0
}

// encoding walks through a type as encoding/json does.
type encoding struct{ seen map[types.Type]bool }

func (e *encoding) check(t types.Type, path string) string {
	if e.seen[t] || has(t, "MarshalJSON") || has(t, "MarshalText") || isUntyped(t) {
		return ""
	}
	e.seen[t] = true
	if _, ok := types.Unalias(t).(*types.TypeParam); ok {
		return ""
	}
	switch u := t.Underlying().(type) {
	case *types.Chan:
		return path + " is a channel"
	case *types.Signature:
		return path + " is a function"
	case *types.Basic:
		if u.Info()&types.IsComplex != 0 || u.Kind() == types.UnsafePointer {
			return path + " is a " + u.Name()
		}
	case *types.Interface:
		if types.Identical(t, types.Universe.Lookup("error").Type()) {
			return path + " is an error, which can be returned but not be part of a value: use its text"
		}
		return path + " is the interface " + short(t) + ", which cannot be decoded"
	case *types.Pointer:
		return e.check(u.Elem(), path)
	case *types.Slice:
		return e.check(u.Elem(), path+"[]")
	case *types.Array:
		return e.check(u.Elem(), path+"[]")
	case *types.Map:
		if !isKey(u.Key()) {
			return path + " is a map by " + short(u.Key()) + ": want strings or integers"
		}
		return e.check(u.Elem(), path+"[]")
	case *types.Struct:
		return e.fields(t, u, path)
	}
	return ""
}

func (e *encoding) fields(t types.Type, s *types.Struct, path string) string {
	if s.NumFields() > 0 && !visible(s) && !ofSync(t) {
		return path + ", a " + short(t) + ", has unexported fields only"
	}
	for i := range s.NumFields() {
		f := s.Field(i)
		tag := reflect.StructTag(s.Tag(i)).Get("json")
		if tag == "-" || !f.Exported() && !f.Embedded() {
			continue
		}
		if f.Embedded() && tag == "" && hidden(f.Type()) {
			continue
		}
		if bad := e.check(f.Type(), strings.TrimPrefix(path+"."+f.Name(), "it.")); bad != "" {
			return bad
		}
	}
	return ""
}

// visible tells whether JSON sees anything of a struct.
func visible(s *types.Struct) bool {
	for f := range s.Fields() {
		if f.Exported() || f.Embedded() {
			return true
		}
	}
	return false
}

// hidden tells whether an embedded field has nothing to give, such as a mutex.
func hidden(t types.Type) bool {
	s, ok := t.Underlying().(*types.Struct)
	return ok && !visible(s)
}

// ofSync tells whether a type is one of sync, whose values nobody misses.
func ofSync(t types.Type) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == "sync"
}

func isKey(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	_, param := types.Unalias(t).(*types.TypeParam)
	return param || ok && b.Info()&(types.IsString|types.IsInteger) != 0 || has(t, "MarshalText")
}

// has tells whether values of a type, or pointers to them, have a method.
func has(t types.Type, method string) bool {
	o, _, _ := types.LookupFieldOrMethod(t, true, nil, method)
	_, ok := o.(*types.Func)
	return ok
}

// short writes a type with the names of packages rather than their paths.
func short(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string { return p.Name() })
}
