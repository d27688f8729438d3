package sendoff_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/rehearse"
	"github.com/sendoff-dev/sendoff/internal/rehearse/wire"
)

// program is a durable function as data. Whatever the order of events, it has
// one result.
type program struct {
	Op   string    `json:"op"`
	N    int       `json:"n"`
	Kids []program `json:"kids"`
}

var ops = []string{
	"call", "gather", "each", "branches", "child", "race", "any", "select", "sleep", "step", "steps", "signal",
	"timeout", "seq", "fail", "settled", "now", "random", "cancel", "version", "chain", "tail", "relay", "group", "late", "held", "heard",
}

func randomProgram(r *rand.Rand, depth int, signals *int) program {
	p := program{Op: ops[r.IntN(len(ops))], N: r.IntN(4) + 1}
	switch p.Op {
	case "branches", "seq", "child", "timeout":
		if depth == 0 {
			p.Op = "call"
			break
		}
		n := 1
		if p.Op == "branches" || p.Op == "seq" {
			n = r.IntN(4) + 1
		}
		for range n {
			p.Kids = append(p.Kids, randomProgram(r, depth-1, signals))
		}
	case "signal":
		*signals++
		p.N = *signals
	case "relay":
		*signals += 2
		p.N = *signals
	case "heard":
		*signals++ // for a server that has them
	}
	return p
}

// model is what a program must return.
func (p program) model() string {
	switch p.Op {
	case "signal":
		return fmt.Sprintf("signal%d", p.N)
	case "branches", "seq", "child", "timeout":
		var kids []string
		for _, k := range p.Kids {
			kids = append(kids, k.model())
		}
		return p.Op + "(" + strings.Join(kids, ",") + ")"
	}
	return fmt.Sprintf("%s%d", p.Op, p.N)
}

var draw atomic.Int64 // what a step returns must be on record to come twice

var (
	echo = sendoff.Func("echo", func(_ context.Context, n int64) (int64, error) { return n, nil })
	lame = sendoff.Func("lame", func(ctx context.Context, n int64) (int64, error) {
		return n, sendoff.Sleep(ctx, time.Duration(n)*time.Second)
	})
	sick = sendoff.Func("sick", func(_ context.Context, n int64) (int64, error) {
		return 0, sendoff.Permanent(&teapotError{int(n)})
	})
	// hop goes on as itself until nothing is left.
	hop = sendoff.Func("hop", func(ctx context.Context, h hops) (int64, error) {
		if h.Left == 0 {
			return h.Sum, nil
		}
		n, err := echo.Await(ctx, h.Left)
		if err != nil {
			return 0, err
		}
		return 0, sendoff.Remote[hops, int64]("hop", "").TailCall(hops{h.Left - 1, h.Sum + n})
	})
	// relay takes one signal in each of its lives.
	relay = sendoff.Func("relay", func(ctx context.Context, r relayed) (string, error) {
		v, err := sendoff.NewSignal[string](r.Names[0]).Recv(ctx)
		if r.Got += v; err != nil || len(r.Names) == 1 {
			return r.Got, err
		}
		return "", sendoff.Remote[relayed, string]("relay", "").TailCall(relayed{r.Names[1:], r.Got + " "})
	})
	interpret *sendoff.Function[program, string]
)

type (
	hops    struct{ Left, Sum int64 }
	relayed struct {
		Names []string
		Got   string
	}
)

func init() { interpret = sendoff.Func("interpret", run) }

func run(ctx context.Context, p program) (string, error) {
	ok := fmt.Sprintf("%s%d", p.Op, p.N)
	switch p.Op {
	case "branches", "seq", "child", "timeout":
		return runKids(ctx, p)
	case "signal":
		return sendoff.NewSignal[string](ok).Recv(ctx)
	}
	return ok, runLeaf(ctx, p)
}

func runKids(ctx context.Context, p program) (string, error) {
	var out []string
	var err error
	switch p.Op {
	case "branches":
		var futures []*sendoff.Future[string]
		for _, k := range p.Kids {
			futures = append(futures, sendoff.Go(ctx, func(ctx context.Context) (string, error) { return run(ctx, k) }))
		}
		out, err = sendoff.All(ctx, futures...)
	case "child":
		out = make([]string, 1)
		out[0], err = interpret.Await(ctx, p.Kids[0])
	case "timeout":
		ctx, cancel := sendoff.WithTimeout(ctx, 1000*time.Hour)
		defer cancel()
		out = make([]string, 1)
		out[0], err = run(ctx, p.Kids[0])
	default:
		for _, k := range p.Kids {
			s, fail := run(ctx, k)
			if fail != nil {
				return "", fail
			}
			out = append(out, s)
		}
	}
	return p.Op + "(" + strings.Join(out, ",") + ")", err
}

func wrong(what string, got any, err error) error {
	return sendoff.Permanent(fmt.Errorf("%s: %v, %v", what, got, err))
}

func runLeaf(ctx context.Context, p program) error {
	n := int64(p.N)
	in := make([]int64, n)
	for i := range in {
		in[i] = int64(i)
	}
	switch p.Op {
	case "call":
		if v, err := echo.Await(ctx, n); err != nil || v != n {
			return wrong("call", v, err)
		}
	case "gather":
		if v, err := echo.Gather(ctx, in); err != nil || fmt.Sprint(v) != fmt.Sprint(in) {
			return wrong("gather", v, err)
		}
	case "each":
		seen := 0
		for i, r := range echo.Each(ctx, in, 2) {
			if seen++; r.Err != nil || r.Value != int64(i) {
				return wrong("each", r.Value, r.Err)
			}
		}
		if seen != len(in) {
			return wrong("each", seen, nil)
		}
	case "sleep":
		before := sendoff.Now(ctx)
		if err := sendoff.Sleep(ctx, time.Duration(n)*300*time.Millisecond); err != nil {
			return err
		}
		if d := sendoff.Now(ctx).Sub(before); d < time.Duration(n)*300*time.Millisecond {
			return wrong("sleep", d, nil)
		}
	case "step":
		return checkStep(ctx, "draw")
	case "steps":
		for i := range n {
			if err := checkStep(ctx, fmt.Sprint("draw", i)); err != nil {
				return err
			}
		}
	case "chain":
		return checkChain(ctx, n)
	case "tail":
		if v, err := hop.Await(ctx, hops{Left: n}); err != nil || v != n*(n+1)/2 {
			return wrong("tail", v, err)
		}
	case "relay":
		names := []string{fmt.Sprint("signal", n-1), fmt.Sprint("signal", n)}
		if v, err := relay.Await(ctx, relayed{Names: names}); err != nil || v != strings.Join(names, " ") {
			return wrong("relay", v, err)
		}
	case "held", "heard":
		return checkHeld(ctx, p.Op, n)
	case "group", "late":
		return checkGroup(ctx, p.Op, n)
	case "fail":
		_, err := sick.Await(ctx, n)
		if pot := (*teapotError)(nil); !asTeapot(err, &pot) || pot.Size != p.N {
			return wrong("fail", nil, err)
		}
	case "now", "random":
		id, r := sendoff.NewID(ctx), sendoff.Rand(ctx).Int64()
		v, err := echo.Await(ctx, r)
		w, err2 := echo.Await(ctx, int64(len(id))+sendoff.Now(ctx).Unix())
		if err != nil || err2 != nil || v != r || w == 0 {
			return wrong("random", v, err)
		}
	case "version":
		if v := sendoff.Version(ctx, "change", p.N); v < 1 {
			return wrong("version", v, nil)
		}
	default:
		return runRace(ctx, p.Op, n, in)
	}
	return nil
}

// checkGroup starts calls of two hours beside one that fails at once, or beside a
// deadline of a minute: neither is waited for longer than that.
func checkGroup(ctx context.Context, op string, n int64) error {
	before, group := sendoff.Now(ctx), ctx
	var futures []*sendoff.Future[int64]
	for range n {
		futures = append(futures, lame.Start(ctx, 7200))
	}
	want := context.DeadlineExceeded
	if op == "group" {
		want = nil
		futures = append(futures, sick.Start(ctx, n))
	} else {
		short, cancel := sendoff.WithTimeout(ctx, time.Minute)
		defer cancel()
		group = short
	}
	_, err := sendoff.All(group, futures...)
	if pot := (*teapotError)(nil); want == nil && !asTeapot(err, &pot) || want != nil && !errors.Is(err, want) {
		return wrong(op, nil, err)
	}
	if took := sendoff.Now(ctx).Sub(before); took > time.Hour {
		return wrong(op, took, nil)
	}
	for _, f := range futures[:n] {
		if _, err := f.Await(ctx); !errors.Is(err, context.Canceled) {
			return wrong(op+" goes on", nil, err)
		}
	}
	return nil
}

// tells tells whether the server tells a function what comes while a step runs.
var tells atomic.Bool

// checkHeld waits for the result of a call, or for a signal, beside a step that goes
// on until the function has got it.
func checkHeld(ctx context.Context, op string, n int64) error {
	name, limit := fmt.Sprint("heard", n), holdLimit
	if !tells.Load() {
		limit = time.Millisecond
	}
	call, signal := echo.Start(ctx, n), sendoff.NewSignal[string](name).Next(ctx)
	step := sendoff.StepAsync(ctx, "held", func(ctx context.Context) (int64, error) {
		if op == "heard" {
			return sendToItself(name, name)(ctx)
		}
		return hold(ctx, limit)
	})
	awaited := sendoff.Waitable(call)
	if op == "heard" {
		awaited = signal
	}
	if i, err := sendoff.Select(ctx, step, awaited); err != nil || i != 1 && tells.Load() {
		return wrong(op, i, err)
	}
	step.Cancel()
	v, err := call.Await(ctx)
	if err != nil || v != n {
		return wrong(op, v, err)
	}
	if op == "heard" {
		if s, err := signal.Await(ctx); err != nil || s != name {
			return wrong(op, s, err)
		}
	}
	return nil
}

func asTeapot(err error, pot **teapotError) bool {
	for e := err; e != nil; {
		if t, ok := e.(*teapotError); ok {
			*pot = t
			return true
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		e = u.Unwrap()
	}
	return false
}

// checkStep has a child say what a step drew: a step that was run again after
// something was done with its result would be found by the input of the call.
func checkStep(ctx context.Context, name string) error {
	v, err := sendoff.Step(ctx, name, func(context.Context) (int64, error) { return draw.Add(1), nil })
	if err != nil {
		return err
	}
	if w, err := echo.Await(ctx, v); err != nil || v != w {
		return wrong("step", w, err)
	}
	return nil
}

// effects is what steps did to the world, by their keys, where the server keeps
// the journal.
var effects struct {
	sync.Mutex
	watched bool
	seen    map[string]int64
}

// checkChain runs steps one after another: by the time that one starts, what it
// builds on must be on record, or it would do something else when it is repeated.
func checkChain(ctx context.Context, n int64) error {
	v := int64(0)
	for range n + 1 {
		next, err := sendoff.Step(ctx, "link", func(ctx context.Context) (int64, error) {
			effects.Lock()
			defer effects.Unlock()
			key := sendoff.StepKey(ctx)
			if old, again := effects.seen[key]; again && effects.watched && old != v {
				return 0, sendoff.Permanent(fmt.Errorf("step %s ran with %d and then with %d", key, old, v))
			}
			effects.seen[key] = v
			return draw.Add(1), nil
		})
		if err != nil {
			return err
		}
		v = next
	}
	return nil
}

func runRace(ctx context.Context, op string, n int64, in []int64) error {
	var futures []*sendoff.Future[int64]
	for _, i := range in {
		futures = append(futures, echo.Start(ctx, i))
	}
	slow := lame.Start(ctx, 7200)
	futures = append(futures, slow)
	switch op {
	case "race":
		i, v, err := sendoff.Race(ctx, futures...)
		if err != nil || int64(i) != v || i >= int(n) {
			return wrong("race", i, err)
		}
	case "any":
		futures = append(futures, sick.Start(ctx, 1))
		v, err := sendoff.Any(ctx, futures...)
		if err != nil || v >= n {
			return wrong("any", v, err)
		}
	case "settled":
		for i, r := range sendoff.Settled(ctx, append(futures[:n:n], sick.Start(ctx, 3))...) {
			if (r.Err != nil) != (int64(i) == n) {
				return wrong("settled", i, r.Err)
			}
		}
	case "select":
		signal := sendoff.NewSignal[string]("never").Next(ctx)
		timer := sendoff.After(ctx, time.Hour)
		i, err := sendoff.Select(ctx, signal, slow, futures[0], timer)
		if err != nil || i != 2 {
			return wrong("select", i, err)
		}
		if i, err = sendoff.Select(ctx, signal, slow, timer); err != nil || i != 2 {
			return wrong("select again", i, err)
		}
	case "cancel":
		short, cancel := sendoff.WithTimeout(ctx, time.Minute)
		defer cancel()
		if _, err := slow.Await(short); !errors.Is(err, context.DeadlineExceeded) {
			return wrong("cancel", nil, err)
		}
		slow.Cancel()
		if _, err := slow.Await(ctx); !errors.Is(err, context.Canceled) {
			return wrong("canceled", nil, err)
		}
	}
	return nil
}

// mode is a way to be a server.
type mode struct {
	name                string
	plain, journal      bool
	cold                bool
	lose, twice, forget float64
	twins               bool // two instances of the app, which forget nothing
}

var modes = []mode{
	{name: "state warm"},
	{name: "state cold", cold: true},
	{name: "plain server", plain: true},
	{name: "journal warm", journal: true},
	{name: "journal cold", journal: true, cold: true},
	{name: "journal unkind", journal: true, lose: 0.2, twice: 0.3, forget: 0.3},
	{name: "journal cold unkind", journal: true, cold: true, lose: 0.2, twice: 0.3},
	{name: "journal of two instances", journal: true, lose: 0.2, twins: true},
	{name: "state unkind", lose: 0.2, twice: 0.3},
}

// stage is an endpoint and a scheduler that talk to each other.
func stage(t testing.TB, m mode, seed uint64, funcs ...sendoff.AnyFunction) *rehearse.Scheduler {
	t.Helper()
	s := &rehearse.Scheduler{
		Plain: m.plain, Journal: m.journal, Shuffle: rand.New(rand.NewPCG(seed, 1)),
		Lose: m.lose, Twice: m.twice, Forget: m.forget, Attempts: 50,
	}
	config := sendoff.EndpointConfig{Development: true, HTTPClient: wire.Client(s)}
	if m.cold {
		config.WarmRuns = -1
	}
	first := serve(t, s, config, funcs...)
	s.Serve = first
	if m.twins {
		second, pick := serve(t, s, config, funcs...), rand.New(rand.NewPCG(seed, 2))
		s.Serve = func(ctx context.Context, req *sdkv1.RunRequest) (*sdkv1.RunResponse, func(bool)) {
			return []rehearse.Serve{first, second}[pick.IntN(2)](ctx, req)
		}
	}
	return s
}

func serve(t testing.TB, s *rehearse.Scheduler, config sendoff.EndpointConfig, funcs ...sendoff.AnyFunction) rehearse.Serve {
	t.Helper()
	e, err := sendoff.NewEndpoint(config, funcs...)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return wire.Over(e, s.Now)
}

func asJSON(t testing.TB, v any) *anypb.Any {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	a, err := anypb.New(&sendoffv1.JSON{Json: text})
	require.NoError(t, err)
	return a
}

// TestRandomPrograms compares what programs return, whatever the server does,
// with what they must.
func TestRandomPrograms(t *testing.T) {
	seeds := uint64(25)
	if os.Getenv("SENDOFF_HEAVY") != "" {
		seeds = 400
	}
	before := runtime.NumGoroutine()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			for seed := range seeds {
				runProgram(t, m, seed)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, 5*time.Second, 10*time.Millisecond,
		"goroutines: %d before, %d after", before, runtime.NumGoroutine())
}

func runProgram(t *testing.T, m mode, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	signals := 0
	p := program{Op: "seq"}
	for range r.IntN(4) + 1 {
		p.Kids = append(p.Kids, randomProgram(r, 3, &signals))
	}
	if m.plain && signals > 0 {
		return
	}
	effects.Lock()
	effects.seen, effects.watched = make(map[string]int64), m.journal
	effects.Unlock()
	tells.Store(!m.plain)
	s := stage(t, m, seed, echo, lame, sick, hop, relay, interpret)
	id := s.Start(&sdkv1.Call{Function: "interpret", Input: asJSON(t, p)})
	for n := range signals {
		sendEverywhere(t, s, time.Duration(r.IntN(5000))*time.Millisecond, fmt.Sprintf("signal%d", n+1))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := s.Wait(ctx, id)
	require.NoError(t, err, "seed %d", seed)
	require.Nil(t, result.GetError())
	var got wrapperspb.StringValue
	require.NoError(t, result.GetOutput().UnmarshalTo(&got))
	require.Equal(t, p.model(), got.GetValue())
}

// sendEverywhere sends a signal to all runs, again and again, until one has
// taken it: which one waits for it is not known here.
func sendEverywhere(t *testing.T, s *rehearse.Scheduler, after time.Duration, name string) {
	v, err := anypb.New(wrapperspb.String(name))
	require.NoError(t, err)
	sent := make(map[string]bool)
	var send func()
	send = func() {
		for _, id := range s.Open() {
			if !sent[id] {
				sent[id] = true
				require.NoError(t, s.Signal(id, name, v))
			}
		}
		if len(sent) < 1000 && len(s.Open()) > 0 {
			s.After(time.Second, send)
		}
	}
	s.After(after, send)
}
