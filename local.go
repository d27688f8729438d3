package sendoff

import (
	"context"
	"fmt"
	"sync"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/internal/rehearse"
)

// version of the SDK, for people.
const sdkVersion = "sendoff-go/1"

// local runs functions in this process, without a server.
type local struct {
	host  *durable.Host
	sched *rehearse.Scheduler

	mu    sync.Mutex
	funcs map[string]AnyFunction
}

type localKey struct{}

func newLocal(ctx context.Context) *local {
	l := &local{funcs: make(map[string]AnyFunction)}
	l.host = &durable.Host{
		SDK: sdkVersion, Result: response, CacheSize: 10_000, Site: callSite, Trace: traceFromEnvironment(),
		Base: context.WithValue(context.WithoutCancel(ctx), localKey{}, l),
	}
	l.host.Open()
	l.sched = &rehearse.Scheduler{Serve: l.serve, Journal: true, Real: true, Parallel: 64}
	l.host.Checkpoint, l.host.Receive = l.sched.Checkpoint, l.sched.Receive
	return l
}

func (l *local) note(f AnyFunction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funcs[f.Name()] = f
}

// noteLocal lets a run without a server know a function that is called in it.
func noteLocal(ctx context.Context, f AnyFunction) {
	if l, ok := ctx.Value(localKey{}).(*local); ok {
		l.note(f)
	}
}

func (l *local) serve(ctx context.Context, req *sdkv1.RunRequest) (*sdkv1.RunResponse, func(bool)) {
	l.mu.Lock()
	f := l.funcs[req.GetFunction()]
	l.mu.Unlock()
	if f == nil {
		return unknownFunction(req.GetFunction()), func(bool) {}
	}
	return l.host.Run(ctx, req, f.run)
}

// runLocal runs a function and all that it calls in this process.
func runLocal[I, O any](ctx context.Context, f *Function[I, O], in I) (O, error) {
	var zero O
	v, err := encode(in)
	if err != nil {
		return zero, err
	}
	l := newLocal(ctx)
	defer l.host.Close()
	l.note(f)
	id := l.sched.Start(&sdkv1.Call{Function: f.name, Input: v.Any()})
	result, err := l.sched.Wait(ctx, id)
	if err != nil {
		return zero, fmt.Errorf("sendoff: function %s without a server: %w", f.name, err)
	}
	if result.GetError() != nil {
		return zero, decodeCallError(f.name, result.GetError())
	}
	return decode[O](durable.FromAny(result.GetOutput()))
}

// runLocalFunc runs a piece of code as if it were a durable function. What it
// leaves in variables is its result.
func runLocalFunc(ctx context.Context, fn func(context.Context) error) error {
	f := Func("local", func(ctx context.Context, _ struct{}) (struct{}, error) { return struct{}{}, fn(ctx) })
	_, err := runLocal(ctx, f, struct{}{})
	return err
}
