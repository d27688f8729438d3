package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// concurrency finds goroutines, channels and what waits for them.
func (c *inspection) concurrency(u *unit, s site) []finding {
	switch n := s.node.(type) {
	case *ast.GoStmt:
		f := at(n, codeGoroutine, "a go statement in durable code")
		f.edits = c.fixGo(s, n)
		return []finding{f}
	case *ast.SendStmt:
		if !inSelect(s.stack, n) {
			return []finding{at(n, codeGoroutine, "a send to a channel in durable code")}
		}
	case *ast.UnaryExpr:
		if n.Op == token.ARROW && !inSelect(s.stack, n) && !c.isTimer(n.X) {
			return []finding{at(n, codeGoroutine, "a receive from a channel in durable code")}
		}
	case *ast.SelectStmt:
		if !c.isPoll(n) {
			return []finding{at(n, codeGoroutine, "a select statement in durable code")}
		}
	case *ast.RangeStmt:
		if _, ok := c.under(n.X).(*types.Chan); ok {
			return []finding{at(n.X, codeGoroutine, "a range over a channel in durable code")}
		}
	case *ast.CallExpr:
		if what := waiting(s.fn); what != "" {
			return []finding{at(n, codeGoroutine, what+" in durable code")}
		}
	}
	return nil
}

// under is the underlying type of an expression.
func (c *inspection) under(e ast.Expr) types.Type {
	t := c.info.TypeOf(e)
	if t == nil {
		return nil
	}
	return t.Underlying()
}

// inSelect tells whether a node is what a case of a select statement does,
// which is reported itself.
func inSelect(stack []ast.Node, n ast.Node) bool {
	for _, s := range slices.Backward(stack) {
		switch p := s.(type) {
		case *ast.CommClause:
			return p.Comm != nil && contains(p.Comm, n)
		case *ast.BlockStmt, *ast.FuncLit:
			return false
		}
	}
	return false
}

// isPoll tells whether a select statement only asks whether a context has ended,
// which does not wait and is the same in a replay.
func (c *inspection) isPoll(n *ast.SelectStmt) bool {
	polls := false
	for _, s := range n.Body.List {
		clause := s.(*ast.CommClause)
		if clause.Comm == nil {
			polls = true
			continue
		}
		e, _ := clause.Comm.(*ast.ExprStmt)
		if e == nil {
			return false
		}
		recv, _ := e.X.(*ast.UnaryExpr)
		if recv == nil || !c.isDone(recv.X) {
			return false
		}
	}
	return polls
}

// isDone tells whether an expression is ctx.Done().
func (c *inspection) isDone(e ast.Expr) bool {
	call, _ := ast.Unparen(e).(*ast.CallExpr)
	if call == nil {
		return false
	}
	sel, _ := call.Fun.(*ast.SelectorExpr)
	return sel != nil && sel.Sel.Name == "Done" && isContext(c.info.TypeOf(sel.X))
}

// isTimer tells whether an expression is a call that is reported itself.
func (c *inspection) isTimer(e ast.Expr) bool {
	call, _ := ast.Unparen(e).(*ast.CallExpr)
	if call == nil {
		return false
	}
	_, bad := hazardOf(callee(c.info, call))
	return bad
}

// waiting names functions that start goroutines or wait for them.
func waiting(fn *types.Func) string {
	if fn == nil || fn.Pkg() == nil {
		return ""
	}
	name := receiver(fn) + "." + fn.Name()
	switch path := fn.Pkg().Path(); {
	case path == "sync" && (name == "WaitGroup.Wait" || name == "WaitGroup.Go" || name == "Cond.Wait"):
		return "sync." + name
	case path == "context" && name == ".AfterFunc":
		return "context.AfterFunc"
	case path == "golang.org/x/sync/errgroup" && (name == "Group.Go" || name == "Group.TryGo" || name == "Group.Wait"):
		return "errgroup." + name
	case path == "golang.org/x/sync/semaphore" && name == "Weighted.Acquire":
		return "semaphore." + name
	}
	return ""
}

// locks finds mutexes that are held while a durable operation waits.
func (c *inspection) locks(u *unit) []finding {
	var found []finding
	for _, lock := range u.sites {
		kind := lockKind(lock.fn)
		if kind == "" {
			continue
		}
		body := enclosing(u, lock.stack)
		from, to := lock.node.End(), c.unlocked(u, lock, body)
		for _, s := range u.sites {
			if c.durable(s) && s.node.Pos() > from && s.node.Pos() < to && enclosing(u, s.stack) == body {
				f := at(lock.node, codeGoroutine, "a "+kind+" that is held during "+c.called(s))
				f.why = "the operation may take months, and another branch or run that wants the lock blocks its whole process meanwhile"
				f.fix = "unlock it before; branches of one run need no lock, since only one runs at a time"
				found = append(found, f)
				break
			}
		}
	}
	return found
}

func lockKind(fn *types.Func) string {
	if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != "sync" || fn.Name() != "Lock" && fn.Name() != "RLock" {
		return ""
	}
	return "sync." + receiver(fn)
}

// unlocked is where a lock is released again; the end of the function when that
// is deferred or not seen.
func (c *inspection) unlocked(u *unit, lock site, body ast.Node) token.Pos {
	call := lock.node.(*ast.CallExpr)
	for _, s := range u.sites {
		if s.fn == nil || s.fn.Pkg() != lock.fn.Pkg() || !strings.HasSuffix(s.fn.Name(), "Unlock") || s.node.Pos() < call.End() {
			continue
		}
		_, deferred := s.stack[len(s.stack)-1].(*ast.DeferStmt)
		if !deferred && enclosing(u, s.stack) == body && types.ExprString(operand(s.node)) == types.ExprString(operand(call)) {
			return s.node.Pos()
		}
	}
	return body.End()
}

// operand is what a method is called on.
func operand(n ast.Node) ast.Expr {
	call := n.(*ast.CallExpr)
	if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
		return sel.X
	}
	return call.Fun
}

// enclosing is the innermost function around a node of a unit.
func enclosing(u *unit, stack []ast.Node) ast.Node {
	for _, s := range slices.Backward(stack) {
		if lit, ok := s.(*ast.FuncLit); ok {
			return lit
		}
	}
	return u.node
}

// called names what is called at a site.
func (c *inspection) called(s site) string {
	if s.op.name != "" {
		return "sendoff." + s.op.name
	}
	if s.fn == nil {
		return "a call"
	}
	name := s.fn.Name()
	if recv := receiver(s.fn); recv != "" {
		name = recv + "." + name
	}
	if s.fn.Pkg() != nil && s.fn.Pkg() != c.pass.Pkg {
		name = s.fn.Pkg().Name() + "." + name
	}
	return name
}

// mapRange finds durable operations in the order of a map.
func (c *inspection) mapRange(_ *unit, s site) []finding {
	if !c.durable(s) && !s.op.ordered {
		return nil
	}
	for i, n := range s.stack {
		over := ""
		switch n := n.(type) {
		case *ast.RangeStmt:
			if contains(n.Body, s.node) {
				over = c.unordered(n.X)
			}
		case *ast.CallExpr:
			if fn := callee(c.info, n); fn != nil && fn.FullName() == "(*sync.Map).Range" && i+1 < len(s.stack) && isLit(s.stack[i+1]) {
				over = "a sync.Map"
			}
		}
		if over != "" {
			return []finding{at(s.node, codeMapRange, c.called(s)+" in a range over "+over)}
		}
	}
	return nil
}

func isLit(n ast.Node) bool {
	_, ok := n.(*ast.FuncLit)
	return ok
}

// unordered tells what an expression is that is gone through in any order.
func (c *inspection) unordered(e ast.Expr) string {
	if _, ok := c.under(e).(*types.Map); ok {
		return "a map"
	}
	call, _ := ast.Unparen(e).(*ast.CallExpr)
	if call == nil {
		return ""
	}
	fn := callee(c.info, call)
	if fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == "maps" && named(fn.Name(), "All Keys Values") {
		return "maps." + fn.Name()
	}
	return ""
}

// outside finds what belongs into a Step.
func (c *inspection) outside(u *unit, s site) []finding {
	call, ok := s.node.(*ast.CallExpr)
	if !ok || s.fn == nil {
		return nil
	}
	if h, bad := hazardOf(s.fn); bad {
		f := at(call, codeOutside, h.what+" in durable code")
		f.why, f.fix = h.why, h.fix
		f.edits = c.fixCall(s, call)
		return []finding{f}
	}
	if s.op.name != "" {
		return nil
	}
	if fact := c.fact(s.fn); fact.Found != "" && fact.Module == c.module() {
		return []finding{at(call, fact.Code, c.called(s)+", which runs in durable code here, has "+fact.Found)}
	}
	t := c.trail(s.fn)
	switch {
	case t.effect != "":
		f := at(call, codeOutside, c.called(s)+", which calls "+t.effect+", in durable code")
		f.why, f.fix = whyEffect, fixStep
		return []finding{f}
	case t.value != "":
		f := at(call, codeOutside, c.called(s)+", which calls "+t.value+", in durable code")
		f.why, f.fix = whyRandom, "pass the value in, or call it in a sendoff.Step"
		return []finding{f}
	}
	return nil
}

// deferred finds durable operations in deferred functions.
func (c *inspection) deferred(_ *unit, s site) []finding {
	if !c.durable(s) || s.op.inDefer {
		return nil
	}
	for i, n := range s.stack {
		d, ok := n.(*ast.DeferStmt)
		if !ok {
			continue
		}
		lit, _ := ast.Unparen(d.Call.Fun).(*ast.FuncLit)
		if d.Call == s.node || lit != nil && contains(lit, s.node) && i < len(s.stack) {
			return []finding{at(s.node, codeDefer, c.called(s)+" in a deferred function")}
		}
	}
	return nil
}

// recovered finds recover around durable operations.
func (c *inspection) recovered(u *unit, s site) []finding {
	call, ok := s.node.(*ast.CallExpr)
	if !ok {
		return nil
	}
	id, _ := ast.Unparen(call.Fun).(*ast.Ident)
	direct := id != nil && c.info.Uses[id] == types.Universe.Lookup("recover")
	helper := c.decls[s.fn]
	if !direct && (helper == nil || !helper.recover || helper.reaches) {
		return nil
	}
	for i, v := range slices.Backward(s.stack) {
		d, ok := v.(*ast.DeferStmt)
		if !ok {
			continue
		}
		if !direct && d.Call != call || direct && repanics(d) {
			return nil
		}
		around := enclosing(u, s.stack[:i])
		if o := c.operationIn(u, around, d); o != "" {
			return []finding{at(call, codeRecover, "recover around "+o)}
		}
	}
	return nil
}

// operationIn names a durable operation in a function, but for those in one of
// its deferred ones.
func (c *inspection) operationIn(u *unit, around, except ast.Node) string {
	for _, s := range u.sites {
		if c.durable(s) && contains(around, s.node) && !contains(except, s.node) {
			return c.called(s)
		}
	}
	return ""
}

// repanics tells whether what is deferred panics again.
func repanics(d *ast.DeferStmt) bool {
	found := false
	ast.Inspect(d, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			id, _ := call.Fun.(*ast.Ident)
			found = found || id != nil && id.Name == "panic"
		}
		return !found
	})
	return found
}
