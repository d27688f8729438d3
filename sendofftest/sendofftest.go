// Package sendofftest runs durable functions in tests: without a server, in
// virtual time, and in ways in which networks and machines behave when nobody
// looks.
//
//	env := sendofftest.New(t, order, charge)
//	sendofftest.Stub(env, charge, func(p Payment) (Receipt, error) { ... })
//	out, err := sendofftest.Run(env, order, in)
//
// Time jumps to the next timer when there is nothing to do, so a sleep of a
// month takes no time. [CrashEverywhere] and [Shuffle] run a function again and
// again, evicted from memory whenever it waits, with results in other orders,
// and report when what it returns changes.
package sendofftest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/kit"
	"github.com/sendoff-dev/sendoff/internal/rehearse"
	"github.com/sendoff-dev/sendoff/internal/rehearse/wire"
)

// Env is a server in memory with the functions of a test. It is for one
// goroutine, but for what is given to At.
type Env struct {
	t      testing.TB
	server *rehearse.Scheduler
	client *sendoff.Client
	stubs  map[string]func(*anypb.Any) (any, error)

	mu    sync.Mutex
	calls map[string]int
}

type settings struct {
	cold        bool
	seed        uint64
	shuffle     bool
	lose, twice float64
}

// New makes an environment of functions. Functions that are only called, and
// stubbed, need not be among them.
func New(t testing.TB, funcs ...sendoff.AnyFunction) *Env {
	t.Helper()
	return build(t, settings{}, funcs)
}

func build(t testing.TB, s settings, funcs []sendoff.AnyFunction) *Env {
	t.Helper()
	e := &Env{t: t, stubs: make(map[string]func(*anypb.Any) (any, error)), calls: make(map[string]int)}
	e.server = &rehearse.Scheduler{Journal: true, Lose: s.lose, Twice: s.twice, Answer: e.answer}
	if s.shuffle {
		e.server.Shuffle, e.server.Attempts = rand.New(rand.NewPCG(s.seed, 0)), 100
	}
	config := sendoff.EndpointConfig{URL: "embedded://test", Development: true, ServerURL: "http://sendofftest", HTTPClient: wire.Client(e.server)}
	if s.cold {
		config.WarmRuns = -1
	}
	endpoint, err := sendoff.NewEndpoint(config, funcs...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(endpoint.Close)
	e.client = endpoint.Client()
	e.server.Serve = wire.Over(endpoint, e.server.Now)
	return e
}

// answer counts a call, and answers it when it is stubbed.
func (e *Env) answer(c *sdkv1.Call) *sdkv1.CallResult {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[c.GetFunction()]++
	stub := e.stubs[c.GetFunction()]
	if stub == nil {
		return nil
	}
	out, err := stub(c.GetInput())
	result, fail := kit.SDK.Encode(out, err)
	if fail != nil {
		e.t.Errorf("the stub of %s: %v", c.GetFunction(), fail)
	}
	return result
}

// Stub answers the calls of a function in its place. It is called one call at a
// time.
func Stub[I, O any](e *Env, f *sendoff.Function[I, O], fn func(I) (O, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stubs[f.Name()] = func(a *anypb.Any) (any, error) {
		var in I
		if err := kit.SDK.Decode(a, &in); err != nil {
			return nil, err
		}
		return fn(in)
	}
}

// Calls is how often a function was called, the first call of Run included.
func (e *Env) Calls(f sendoff.AnyFunction) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[f.Name()]
}

// Client is one of the environment's server, for what a test or a stub sends.
func (e *Env) Client() *sendoff.Client { return e.client }

// Now is the virtual time.
func (e *Env) Now() time.Time { return e.server.Now() }

// At has fn called when that much virtual time has passed.
func (e *Env) At(d time.Duration, fn func()) { e.server.After(d, fn) }

// Pending is a call that was started.
type Pending[O any] struct {
	ID string // dispatch id
	e  *Env
	f  string
}

// Start calls a function and does not wait.
func Start[I, O any](e *Env, f *sendoff.Function[I, O], in I) *Pending[O] {
	e.t.Helper()
	result, err := kit.SDK.Encode(in, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	id := e.server.Start(&sdkv1.Call{Function: f.Name(), Input: result.GetOutput()})
	return &Pending[O]{ID: id, e: e, f: f.Name()}
}

// ErrIdle is what Wait returns when every call waits for something that does not
// come by itself, such as a signal.
var ErrIdle = rehearse.ErrIdle

// Wait lets virtual time pass until the call has ended.
func (p *Pending[O]) Wait() (O, error) {
	var out O
	result, err := p.e.server.Wait(context.Background(), p.ID)
	switch {
	case err != nil:
		return out, err
	case result.GetError() != nil:
		return out, kit.SDK.Failure(p.f, result.GetError())
	}
	err = kit.SDK.Decode(result.GetOutput(), &out)
	return out, err
}

// Cancel cancels the call. One with something to undo does that first, for at most 5
// minutes of virtual time.
func (p *Pending[O]) Cancel() error { return p.e.server.Cancel(p.ID) }

// Journal is what was recorded of the call so far, for [Env.Replay] and golden
// files.
func (p *Pending[O]) Journal() []byte { return p.e.server.JournalOf(p.ID) }

// Run calls a function and waits for its result.
func Run[I, O any](e *Env, f *sendoff.Function[I, O], in I) (O, error) {
	e.t.Helper()
	return Start(e, f, in).Wait()
}

// Setup prepares an environment of a repeated run, for instance with stubs and
// signals. It gets the id that the call will have.
type Setup func(e *Env, id string)

// FirstID is the id of the first call of an environment.
const FirstID = "call-1"

// CrashEverywhere runs a function twice: once as it is, and once evicted from
// memory whenever it waits, as if its process ended there each time. The test
// fails when the results differ, or when the code does not fit its own journal:
// then it is not deterministic, or keeps something in a variable that only a
// step changed. setup may be nil.
func CrashEverywhere[I, O any](t testing.TB, f *sendoff.Function[I, O], in I, setup Setup, funcs ...sendoff.AnyFunction) {
	t.Helper()
	want := outcome(t, settings{}, f, in, setup, funcs)
	if got := outcome(t, settings{cold: true}, f, in, setup, funcs); got != want {
		t.Errorf("function %s: kept in memory it returns\n  %s\nbut when it is evicted at each wait\n  %s", f.Name(), want, got)
	}
}

// Shuffle runs a function as often as seeds says, with results in another order
// each time, some of them twice, and with answers that get lost. The test fails
// when the results differ from that of an undisturbed run. Use it for functions
// whose result does not depend on what comes first. setup may be nil.
func Shuffle[I, O any](t testing.TB, seeds int, f *sendoff.Function[I, O], in I, setup Setup, funcs ...sendoff.AnyFunction) {
	t.Helper()
	want := outcome(t, settings{}, f, in, setup, funcs)
	for seed := range seeds {
		s := settings{seed: uint64(seed), shuffle: true, lose: 0.1, twice: 0.2, cold: seed%2 == 1}
		if got := outcome(t, s, f, in, setup, funcs); got != want {
			t.Errorf("function %s: undisturbed it returns\n  %s\nbut with seed %d\n  %s", f.Name(), want, seed, got)
			return
		}
	}
}

// outcome is the result of a run as text.
func outcome[I, O any](t testing.TB, s settings, f *sendoff.Function[I, O], in I, setup Setup, funcs []sendoff.AnyFunction) string {
	t.Helper()
	e := build(t, s, append([]sendoff.AnyFunction{f}, funcs...))
	if setup != nil {
		setup(e, FirstID)
	}
	out, err := Run(e, f, in)
	if err != nil {
		return "error: " + err.Error()
	}
	result, fail := kit.SDK.Encode(out, nil)
	if fail != nil {
		t.Fatal(fail)
	}
	return fmt.Sprintf("%s %q", result.GetOutput().GetTypeUrl(), result.GetOutput().GetValue())
}

// Replay repeats a recorded journal with the code of today. It returns nil when
// the code fits, and otherwise an error that says where it does not. The
// journal must be that of a call of f; nothing that it did is done again.
func Replay(f sendoff.AnyFunction, journal []byte) error {
	return kit.SDK.Replay(f, journal)
}

// Golden replays the journals dir/*.journal, each recorded by [Pending.Journal]
// or taken from a server. Keep one for each version of your code that may still
// have runs under way.
func Golden(t *testing.T, dir string, f sendoff.AnyFunction) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err == nil && len(files) == 0 {
		err = errors.New("there are none")
	}
	if err != nil {
		t.Fatalf("journals in %s: %v", dir, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			journal, err := os.ReadFile(file)
			if err == nil {
				err = Replay(f, journal)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
