package sendoff

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"sync/atomic"
	"time"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/status"
)

// Function is a function that survives its process: what it called and what
// came of that is on record, and when its process ends, it goes on elsewhere
// from there. Its code runs again from the start to get back to where it was,
// with the recorded results, so it must do the same again when it gets the same:
// whatever touches the world belongs into a [Step] or another function.
//
// A Function is safe for concurrent use.
type Function[I, O any] struct {
	name     string
	fn       func(context.Context, I) (O, error)
	options  []CallOption
	endpoint atomic.Pointer[Endpoint]
}

// AnyFunction is a [Function] of any type.
type AnyFunction interface {
	// Name is the function's name on the wire.
	Name() string
	run(context.Context, durable.Value) (durable.Value, error)
	bind(*Endpoint)
}

var functionName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_<>.]*$`)

// Func makes a durable function. The name is the one on the wire and must not
// change while calls are under way; it panics when the protocol does not allow
// it. The input and output are encoded as they are by [encoding/json], but for
// protobuf messages, plain values, times and durations, which travel as
// Dispatch's SDKs encode them.
//
// Within fn, all that waits is an operation of this package with the context
// that fn got. Functions that run side by side are started with [Go], never
// with the go statement.
//
// The context ends with the attempt too: when its time is over ([AttemptTimeout]), when
// the call is canceled, and when the endpoint closes. Code that runs at that
// moment, as that of a function without durable operations does, should end then:
// what it returns is dropped, and the call is tried again only after it has ended.
func Func[I, O any](name string, fn func(context.Context, I) (O, error), opts ...CallOption) *Function[I, O] {
	if !functionName.MatchString(name) {
		panic(fmt.Sprintf("sendoff: function name %q: want a letter or _, then letters, digits, _ or .", name))
	}
	return &Function[I, O]{name: name, fn: fn, options: opts}
}

// Remote names a function that another app has, at the endpoint with that URL;
// "" is the caller's own. It may be written in another language.
func Remote[I, O any](name, endpoint string, opts ...CallOption) *Function[I, O] {
	f := Func[I, O](name, nil, OnEndpoint(endpoint))
	f.options = append(f.options, opts...)
	return f
}

// Name is the function's name on the wire.
func (f *Function[I, O]) Name() string { return f.name }

func (f *Function[I, O]) bind(e *Endpoint) { f.endpoint.Store(e) }

// run is the function between its encoded input and output.
func (f *Function[I, O]) run(ctx context.Context, in durable.Value) (durable.Value, error) {
	if f.fn == nil {
		return durable.Value{}, &statusError{status.NotFound, "function " + f.name + " is declared as remote here"}
	}
	ctx, in, err := openEnvelope(ctx, in)
	if err != nil {
		return durable.Value{}, err
	}
	input, err := decode[I](in)
	if err != nil {
		return durable.Value{}, &statusError{status.InvalidArgument, "input of function " + f.name + ": " + err.Error()}
	}
	out, err := f.fn(ctx, input)
	if err != nil {
		return durable.Value{}, err
	}
	return encode(out)
}

// statusError is an error of ours with a status.
type statusError struct {
	status status.Code
	text   string
}

func (e *statusError) Error() string { return e.text }

// Status implements the interface that statusOf looks for.
func (e *statusError) Status() status.Code { return e.status }

// call makes the message for one call.
func (f *Function[I, O]) call(in I, o *options, now time.Time) (*sdkv1.Call, error) {
	v, err := encode(in)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", f.name, err)
	}
	c := &sdkv1.Call{Function: f.name, Input: v.Any()}
	o.apply(c, now)
	return c, nil
}

// Await calls the function and waits for its result. The call is made once: it
// is on record before it is made. Errors are a [*CallError], the error of the
// context, or that of encoding. A context that ends before the call does cancels
// the call.
//
// Outside a durable function it runs the function here and now, with all that
// it calls, in memory and without a server: for tests, and for programs that do
// not need to survive. Use Dispatch to have a server run it.
func (f *Function[I, O]) Await(ctx context.Context, in I, opts ...CallOption) (O, error) {
	if !durable.In(ctx) {
		if durable.InStep(ctx) {
			var zero O
			return zero, errInStep("a call of " + f.name)
		}
		return runLocal(ctx, f, in)
	}
	call := f.Start(ctx, in, opts...)
	v, err := call.Await(ctx)
	if !call.detached && !call.Done() {
		call.Cancel() // the wait was ended, and nobody else can wait for it
	}
	return v, err
}

func errInStep(what string) error {
	return Permanent(errors.New("sendoff: " + what + " within a Step: a step does one thing, and only the function calls others; use Dispatch to start a call from a step"))
}

// Start calls the function and goes on. The call is given to the server when the
// function waits next. It works only in a durable function.
func (f *Function[I, O]) Start(ctx context.Context, in I, opts ...CallOption) *Future[O] {
	return f.startAll(ctx, []I{in}, gather(f.options, opts))[0]
}

func (f *Function[I, O]) startAll(ctx context.Context, in []I, o *options) []*Future[O] {
	calls := make([]*sdkv1.Call, len(in))
	now := durable.Now(ctx)
	noteLocal(ctx, f)
	for i := range in {
		c, err := f.call(in[i], o, now)
		if err != nil {
			return failedFutures[O](len(in), err)
		}
		calls[i] = c
	}
	cores := durable.Call(ctx, calls, o.call.GetDetached())
	out := make([]*Future[O], len(cores))
	block := make([]Future[O], len(cores))
	for i, core := range cores {
		block[i] = Future[O]{core: core, name: f.name, read: readValue[O], detached: o.call.GetDetached()}
		out[i] = &block[i]
	}
	return out
}

// Gather calls the function once for each input and waits for all results,
// which come in the order of the inputs. The first failure ends the wait and
// cancels the other calls.
func (f *Function[I, O]) Gather(ctx context.Context, in []I, opts ...CallOption) ([]O, error) {
	if !durable.In(ctx) {
		if durable.InStep(ctx) {
			return nil, errInStep("calls of " + f.name)
		}
		var out []O
		err := runLocalFunc(ctx, func(ctx context.Context) (err error) {
			out, err = f.Gather(ctx, in, opts...)
			return err
		})
		return out, err
	}
	if len(in) == 0 {
		return nil, nil
	}
	return All(ctx, f.startAll(ctx, in, gather(f.options, opts))...)
}

// Each calls the function once for each input, with at most limit calls open at a
// time (0 = all), and gives the results in the order in which they come, with the
// index of their input. Leaving the loop cancels the calls that are open;
// so does the end of the context, which is the last result's error then, with
// index -1. It works only in a durable function.
func (f *Function[I, O]) Each(ctx context.Context, in []I, limit int, opts ...CallOption) iter.Seq2[int, Result[O]] {
	return func(yield func(int, Result[O]) bool) {
		o := gather(f.options, opts)
		e := &each[I, O]{f: f, in: in, o: o, index: make(map[*durable.Future]int)}
		defer e.cancel()
		if limit <= 0 {
			limit = len(in)
		}
		e.start(ctx, limit)
		for range in {
			i, r := e.next(ctx)
			e.start(ctx, 1)
			if !yield(i, r) || i < 0 {
				return
			}
		}
	}
}

// each is the state of a loop over calls.
type each[I, O any] struct {
	f     *Function[I, O]
	in    []I
	o     *options
	begun int
	seq   durable.Sequence
	index map[*durable.Future]int
	bad   []int // inputs that cannot be encoded
	err   error
}

func (e *each[I, O]) start(ctx context.Context, n int) {
	n = min(n, len(e.in)-e.begun)
	if n <= 0 {
		return
	}
	for i, f := range e.f.startAll(ctx, e.in[e.begun:e.begun+n], e.o) {
		if f.core == nil {
			e.bad, e.err = append(e.bad, e.begun+i), f.err
			continue
		}
		e.index[f.core] = e.begun + i
		e.seq.Add(f.core)
	}
	e.begun += n
}

func (e *each[I, O]) next(ctx context.Context) (int, Result[O]) {
	if len(e.bad) > 0 {
		i := e.bad[0]
		e.bad = e.bad[1:]
		return i, Result[O]{Err: e.err}
	}
	core, err := e.seq.Next(ctx)
	if err != nil {
		return -1, Result[O]{Err: err}
	}
	i := e.index[core]
	delete(e.index, core)
	f := Future[O]{core: core, name: e.f.name, read: readValue[O]}
	v, err := f.result()
	return i, Result[O]{v, err}
}

func (e *each[I, O]) cancel() {
	open := make([]*durable.Future, 0, len(e.index))
	for core := range e.index {
		open = append(open, core)
	}
	durable.CancelAll(open)
}

// TailCall is an error that a durable function returns to have the call go on with
// this function and input in its place: the same call, with an empty journal. Signals that nobody took wait for what takes its place.
func (f *Function[I, O]) TailCall(in I, opts ...CallOption) error {
	c, err := f.call(in, gather(f.options, opts), time.Time{})
	if err != nil {
		return err
	}
	return &tailCall{c}
}

type tailCall struct{ call *sdkv1.Call }

func (t *tailCall) Error() string {
	return "sendoff: tail call of " + t.call.GetFunction() + ": return this error from the durable function"
}
