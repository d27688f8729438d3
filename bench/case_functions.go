package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Durable functions, from the first submission to the last end. sendoff is an
// engine and its functions in one process, as peers are; sendoff-http is a server
// and an app in two, with signed runs and with checkpoints over HTTP.

// functionCases: many functions of a few steps.
func functionCases() (cases []benchCase) {
	for _, steps := range []int{1, 10} {
		cases = append(cases, floors(fmt.Sprintf("fn%d", steps), func(group string) []benchCase {
			do := func(ctx context.Context, r *run) error { return r.functions(ctx, stepsName, r.N, steps, r.N) }
			peer := func(ctx context.Context, r *run) error { return r.dbos(ctx, dbosSteps, r.N, steps, r.N) }
			peers := withFull(group, benchCase{Group: group, Who: "dbos", N: 5_000 / steps, Short: 2_500 / steps, do: peer})
			return append([]benchCase{
				{Group: group, Who: "sendoff", N: 40_000 / steps, Short: 15_000 / steps, do: do},
				{Group: group, Who: "sendoff-http", N: 30_000 / steps, Short: 10_000 / steps, do: do},
			}, append(peers, benchCase{Group: group, Who: "dbos-queue", N: 5_000 / steps, Short: 2_500 / steps, do: peer})...)
		})...)
	}
	return cases
}

// stepCases: functions of many steps, 64 at a time; the unit is a step.
func stepCases() (cases []benchCase) {
	for _, steps := range []int{100, 1000} {
		cases = append(cases, floors(fmt.Sprintf("step%d", steps), func(group string) []benchCase {
			do := func(ctx context.Context, r *run) error {
				n, steps := max(1, r.N/steps), min(steps, r.N)
				return r.functions(ctx, stepsName, n, steps, n*steps)
			}
			peer := func(ctx context.Context, r *run) error {
				n, steps := max(1, r.N/steps), min(steps, r.N)
				return r.dbos(ctx, dbosSteps, n, steps, n*steps)
			}
			return append([]benchCase{
				{Group: group, Who: "sendoff", N: 128_000, Short: 64_000, do: do},
				{Group: group, Who: "sendoff-http", N: 64_000, Short: 64_000, do: do},
			}, withFull(group, benchCase{Group: group, Who: "dbos", N: 6_400, Short: 6_400, do: peer})...)
		})...)
	}
	return cases
}

// gatherCases: one function that waits for many calls; the unit is a call.
func gatherCases() (cases []benchCase) {
	for _, calls := range []int{1_000, 10_000} {
		cases = append(cases, floors(fmt.Sprintf("gather%d", calls), func(group string) []benchCase {
			do := func(ctx context.Context, r *run) error { return r.functions(ctx, gatherName, 1, r.N, r.N) }
			cases := []benchCase{
				{Group: group, Who: "sendoff", N: calls, Short: calls, do: do},
				{Group: group, Who: "sendoff-http", N: calls, Short: calls, do: do},
			}
			if calls > 1_000 {
				return cases
			}
			peer := func(kind string) func(context.Context, *run) error {
				return func(ctx context.Context, r *run) error { return r.dbos(ctx, kind, 1, r.N, r.N) }
			}
			cases = append(cases, withFull(group, benchCase{Group: group, Who: "dbos", N: calls, Short: calls, do: peer(dbosChildren)})...)
			return append(cases, benchCase{Group: group, Who: "dbos-steps", N: calls, Short: calls, do: peer(dbosGo)})
		})...)
	}
	return cases
}

const stepSlots = 64 // functions at a time where steps are measured

// functions has n functions do count things each and measures units of work.
func (r *run) functions(ctx context.Context, function string, n, count, units int) (err error) {
	s, err := r.floor(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	ends := n
	if function == gatherName {
		ends += count
	}
	c, wrapped := countJournals(s, ends)
	cfg := engine.Config{AllowLoopback: true}
	switch {
	case strings.HasPrefix(r.Case, "step"):
		cfg.FunctionSlots = stepSlots
	case r.who == "sendoff":
		cfg.FunctionSlots = manySlots // over HTTP so many would wait longer for the app than a run waits
	}
	submit, closeIt, err := r.serveFunctions(ctx, wrapped, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeIt()) }()
	if err := r.begin(ctx); err != nil {
		return err
	}
	written := diskWritten()
	c.marks[0] = r.began
	if err := submit(function, n, count); err != nil {
		return err
	}
	if err := c.inFull(ctx); err != nil {
		return err
	}
	if err := r.end(ctx, units); err != nil {
		return err
	}
	r.sizes(written, units)
	r.sample.Values["journal"] = float64(c.journals.bytes.Load()) / float64(units)
	r.sample.Values["appends"] = float64(c.journals.checkpoints.Load()) / float64(units)
	return c.journals.check(function, n, count)
}

// sizes notes what went to the disk; PostgreSQL's log is measured in any case.
func (r *run) sizes(before int64, units int) {
	if r.database == "" {
		r.sample.Values["disk"] = float64(diskWritten()-before) / float64(units)
	}
	if strings.HasPrefix(r.Case, "gather") {
		r.sample.Values["seconds"] = r.sample.Seconds
	}
}

func countJournals(s store.Store, want int) (*counted, store.Store) {
	c, wrapped := count(s, want)
	c.journals = &journals{}
	return c, wrapped
}

type submitFunc func(function string, n, count int) error

// serveFunctions starts an engine and what serves its functions.
func (r *run) serveFunctions(ctx context.Context, s store.Store, cfg engine.Config) (submitFunc, func() error, error) {
	if r.who == "sendoff-http" {
		return r.functionsOverHTTP(ctx, s, cfg)
	}
	e, err := engine.New(s, cfg)
	if err != nil {
		return nil, nil, err
	}
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{
		Engine: e, Logger: slog.New(slog.DiscardHandler),
	}, steps, gather, same)
	if err != nil {
		return nil, nil, err
	}
	stop := running(ctx, e)
	submit := func(function string, n, count int) error {
		return inBatches(n, count, func(args []fnArgs) error {
			subs := make([]engine.Task, len(args))
			for i, a := range args {
				payload, err := encodeInput(a)
				if err != nil {
					return err
				}
				subs[i] = engine.Task{Body: payload, Function: function, Endpoint: endpoint.URL()}
			}
			results, err := e.SubmitMany(ctx, subs, true)
			for _, res := range results {
				if err == nil && res.Status != engine.Created {
					err = fmt.Errorf("submission refused: status %s", res.Status)
				}
			}
			return err
		})
	}
	return submit, func() error { err := stop(); endpoint.Close(); return err }, nil
}

// encodeInput encodes an input as Function.Dispatch does.
func encodeInput(a fnArgs) ([]byte, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	input, err := anypb.New(&sendoffv1.JSON{Json: text})
	if err != nil {
		return nil, err
	}
	return proto.Marshal(input)
}

// inBatches makes the inputs of n functions, for two callers.
func inBatches(n, count int, submit func([]fnArgs) error) error {
	var next atomic.Int64
	pad := riverPad
	if count >= 100 {
		pad = "" // where steps are measured
	}
	return fromMany(n, 2, task.MaxBatch, func(n int) error {
		args := make([]fnArgs, n)
		for i := range args {
			args[i] = fnArgs{From: int(next.Add(1)) - 1, Count: count, Pad: pad}
		}
		return submit(args)
	})
}

// functionsOverHTTP serves the engine here and the functions in another process.
func (r *run) functionsOverHTTP(ctx context.Context, s store.Store, cfg engine.Config) (submitFunc, func() error, error) {
	cfg.KeysFile = filepath.Join(r.Dir, "keys")
	e, err := engine.New(s, cfg)
	if err != nil {
		return nil, nil, err
	}
	key, err := publicKey(e.PublicKeys())
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	srv := &http.Server{Handler: e.Handler(engine.HandlerConfig{Local: true})}
	go func() { _ = srv.Serve(l) }()
	profile := ""
	if r.Profile != "" {
		profile = filepath.Join(r.Profile, strings.ReplaceAll(r.Case, "/", "-")+"-app.pprof")
	}
	app, err := r.help("app", "http://"+l.Addr().String(), key, profile)
	if err != nil {
		return nil, nil, err
	}
	if _, err := app.line(); err != nil {
		return nil, nil, err
	}
	ask := func(what ...any) error {
		if _, err := fmt.Fprintln(app.in, what...); err != nil {
			return err
		}
		failure, err := app.line()
		if err == nil && failure != "" {
			err = fmt.Errorf("the app: %s", failure)
		}
		return err
	}
	stop := running(ctx, e)
	submit := func(function string, n, count int) error { return ask(function, n, count) }
	return submit, func() error {
		err := errors.Join(stop(), ask())
		_ = srv.Close()
		return err
	}, nil
}

// publicKey is the key of a JWK set as an endpoint takes it.
func publicKey(set []byte) (string, error) {
	var keys struct {
		Keys []struct {
			X string `json:"x"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(set, &keys); err != nil || len(keys.Keys) == 0 {
		return "", fmt.Errorf("the public keys: %w: %s", err, set)
	}
	raw, err := base64.RawURLEncoding.DecodeString(keys.Keys[0].X)
	return base64.StdEncoding.EncodeToString(raw), err
}

// app serves the functions to a server. It prints a line when it is ready, submits
// for each line "FUNCTION N COUNT" and prints the failure or nothing, and ends its
// profile for an empty one.
func app(args []string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{
		URL: "http://" + l.Addr().String(), ServerURL: args[0], VerificationKey: args[1],
	}, steps, gather, same)
	if err != nil {
		return err
	}
	defer endpoint.Close()
	go func() { _ = http.Serve(l, endpoint) }()
	if args[2] != "" {
		f, err := os.Create(args[2])
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "" {
			pprof.StopCPUProfile()
			fmt.Println()
			continue
		}
		failure := ""
		if err := submitOverHTTP(endpoint, strings.Fields(in.Text())); err != nil {
			failure = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Println(failure)
	}
	return nil
}

func submitOverHTTP(endpoint *sendoff.Endpoint, words []string) error {
	n, _ := strconv.Atoi(words[1])
	count, _ := strconv.Atoi(words[2])
	return inBatches(n, count, func(args []fnArgs) error {
		tasks := make([]sendoff.NewTask, len(args))
		for i, a := range args {
			tasks[i] = sendoff.NewTask{Function: words[0], Endpoint: endpoint.URL(), Payload: a}
		}
		_, err := endpoint.Client().SubmitMany(context.Background(), tasks, true)
		return err
	})
}

// diskWritten is how many bytes this process had the disk write; 0 = not known.
func diskWritten() (n int64) {
	b, _ := os.ReadFile("/proc/self/io")
	_, rest, _ := strings.Cut(string(b), "\nwrite_bytes: ")
	_, _ = fmt.Sscan(rest, &n)
	return n
}
