package vet

import (
	"go/types"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

// neutral are functions of the SDK that take a context and may be called
// anywhere.
const neutral = "Now Info Logger StepKey WithTimeout WithReason NewSaga Function.Handle Endpoint.ListenAndServe"

// TestTheAnalyzerKnowsTheSDK compares the table of operations with the SDK: one
// that is new there must be put into it.
func TestTheAnalyzerKnowsTheSDK(t *testing.T) {
	pkgs, err := packages.Load(&packages.Config{Context: t.Context(), Mode: packages.LoadTypes}, sdk)
	require.NoError(t, err)
	require.Len(t, pkgs, 1)
	require.Empty(t, pkgs[0].Errors)
	known := map[string]bool{}
	for _, fn := range exported(pkgs[0].Types) {
		o, _ := opOf(fn)
		known[o.name] = true
		_, listed := ops[o.name]
		sig := fn.Signature()
		asks := sig.Params().Len() > 0 && isContext(sig.Params().At(0).Type())
		if asks && !listed && !o.remote && !strings.Contains(" "+neutral+" ", " "+o.name+" ") {
			t.Errorf("sendoff.%s takes a context: is it a durable operation? Add it to ops, or to the neutral ones here", o.name)
		}
		if gives(sig, "Future") != o.future && o.name != "Future.Await" {
			t.Errorf("sendoff.%s: does it return a Future?", o.name)
		}
	}
	for name := range ops {
		require.True(t, known[name], "the SDK has no %s", name)
	}
}

// exported are the functions and methods of a package.
func exported(p *types.Package) []*types.Func {
	var out []*types.Func
	for _, name := range p.Scope().Names() {
		switch o := p.Scope().Lookup(name).(type) {
		case *types.Func:
			if o.Exported() {
				out = append(out, o)
			}
		case *types.TypeName:
			n, ok := o.Type().(*types.Named)
			if !ok || !o.Exported() {
				continue
			}
			for m := range n.Methods() {
				if m.Exported() && !types.IsInterface(n) {
					out = append(out, m)
				}
			}
		}
	}
	return out
}

// gives tells whether a function returns a pointer to the SDK's type.
func gives(sig *types.Signature, name string) bool {
	if sig.Results().Len() != 1 {
		return false
	}
	p, ok := sig.Results().At(0).Type().(*types.Pointer)
	if !ok {
		return false
	}
	n, ok := p.Elem().(*types.Named)
	return ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == sdk && n.Obj().Name() == name
}

func TestNames(t *testing.T) {
	require.True(t, named("ReadFile", "Open* Read*"))
	require.False(t, named("Getenv", "Open* Read*"))
	require.True(t, named("IntN", "!New NewPCG *"))
	require.False(t, named("NewPCG", "!New NewPCG *"))
	require.True(t, within("github.com/jackc/pgx/v5/pgxpool", "github.com/jackc/pgx"))
	require.False(t, within("net/http", "net"))
}
