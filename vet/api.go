package vet

import (
	"go/ast"
	"go/types"
	"slices"

	"golang.org/x/tools/go/types/typeutil"
)

// sdk is the package that durable functions are written with.
const sdk = "github.com/sendoff-dev/sendoff"

// role is what a function is for the SDK when it is passed to it.
type role uint8

const (
	plain  role = iota
	root        // the body of a durable function
	branch      // runs within a durable function: Go, Loop
	step        // runs outside of it: Step, StepAsync, Saga.Add
)

// op is what the analyzer knows of an operation of the SDK.
type op struct {
	name    string
	durable bool           // it is on record
	only    bool           // and works in a durable function only
	noStep  bool           // it fails within a Step
	ordered bool           // what it gives depends on the order of such calls
	remote  bool           // it talks to the server at once, without a record
	future  bool           // it returns a Future that somebody must wait for
	must    bool           // its result must be used
	inDefer bool           // made to be deferred
	bodies  map[int]role   // arguments that are functions
	types   map[int]string // type parameters that are encoded, and what for
}

// ops are the operations of the SDK by their names.
var ops = map[string]op{
	"Func":                 {bodies: map[int]role{1: root}, types: map[int]string{0: "input", 1: "output"}},
	"Remote":               {types: map[int]string{0: "input", 1: "output"}},
	"Step":                 {durable: true, noStep: true, bodies: map[int]role{2: step}, types: map[int]string{0: "result"}},
	"StepAsync":            {durable: true, only: true, noStep: true, future: true, bodies: map[int]role{2: step}, types: map[int]string{0: "result"}},
	"Go":                   {durable: true, only: true, noStep: true, future: true, bodies: map[int]role{1: branch}},
	"Loop":                 {durable: true, bodies: map[int]role{2: branch}, types: map[int]string{0: "state"}},
	"All":                  {durable: true, only: true, noStep: true},
	"Settled":              {durable: true, only: true, noStep: true},
	"Any":                  {durable: true, only: true, noStep: true},
	"Race":                 {durable: true, only: true, noStep: true},
	"Select":               {durable: true, only: true, noStep: true},
	"Sleep":                {durable: true},
	"SleepUntil":           {durable: true},
	"After":                {durable: true, only: true, noStep: true, future: true},
	"Version":              {durable: true},
	"Rand":                 {ordered: true},
	"NewID":                {ordered: true},
	"NewSignal":            {types: map[int]string{0: "value"}},
	"NewPromise":           {durable: true, only: true, noStep: true, types: map[int]string{0: "value"}},
	"ResolvePromise":       {durable: true, types: map[int]string{0: "value"}},
	"RejectPromise":        {durable: true},
	"Function.Await":       {durable: true, noStep: true},
	"Function.Gather":      {durable: true, noStep: true},
	"Function.Start":       {durable: true, only: true, noStep: true, future: true},
	"Function.Each":        {durable: true, only: true, noStep: true},
	"Function.Dispatch":    {durable: true},
	"Function.TailCall":    {must: true},
	"Future.Await":         {durable: true, only: true, noStep: true},
	"Signal.Recv":          {durable: true, only: true, noStep: true},
	"Signal.Next":          {durable: true, only: true, noStep: true, future: true},
	"Signal.Send":          {durable: true},
	"Promise.Await":        {durable: true, only: true, noStep: true},
	"Saga.Add":             {ordered: true, bodies: map[int]role{1: step}},
	"Saga.Rollback":        {durable: true},
	"Saga.RollbackOnError": {durable: true, inDefer: true},
	"SignalWithStart":      {durable: true, types: map[int]string{0: "input", 2: "value"}},
	"Handle.Cancel":        {durable: true},
	"Handle.Wait":          {remote: true},
}

// remote are the types all of whose methods ask the server.
var remote = []string{"Client", "Tasks", "Queues", "Limits", "Schedules", "Graphs", "Endpoints", "Nodes", "Workers", "GraphRuns", "APIKeys", "SigningKeys", "Audit", "Namespaces", "Actions", "Failures", "Views"}

// isRemote tells whether a method of the SDK asks the server at once.
func isRemote(recv, name string) bool {
	return slices.Contains(remote, recv) || ops[recv+"."+name].remote
}

// opOf returns what the SDK's function does; ok is false for other functions.
func opOf(fn *types.Func) (op, bool) {
	if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != sdk {
		return op{}, false
	}
	name := fn.Name()
	if recv := receiver(fn); recv != "" {
		name = recv + "." + name
	}
	o := ops[name]
	o.name = name
	o.remote = isRemote(receiver(fn), fn.Name())
	return o, true
}

// receiver is the name of the type that a method belongs to.
func receiver(fn *types.Func) string {
	recv := fn.Signature().Recv()
	if recv == nil {
		return ""
	}
	t := types.Unalias(recv.Type())
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	if n, ok := t.(*types.Named); ok {
		return n.Obj().Name()
	}
	return ""
}

// callee is the function that a call calls, when it is known: the generic one,
// and not an interface's.
func callee(info *types.Info, call *ast.CallExpr) *types.Func {
	fn, _ := typeutil.Callee(info, call).(*types.Func)
	if fn == nil {
		return nil
	}
	return fn.Origin()
}

// referent is the function that an expression names, if it does.
func referent(info *types.Info, e ast.Expr) types.Object {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return info.Uses[e]
	case *ast.SelectorExpr:
		return info.Uses[e.Sel]
	case *ast.IndexExpr:
		return referent(info, e.X)
	case *ast.IndexListExpr:
		return referent(info, e.X)
	}
	return nil
}

// isContext tells whether a type is context.Context.
func isContext(t types.Type) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == "context" && n.Obj().Name() == "Context"
}
