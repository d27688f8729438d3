//go:build linux

package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdk "github.com/sendoff-dev/sendoff"
)

// order is one fan-out: it asks for parts and adds up what they return.
type order struct {
	Run   int `json:"run"`
	Parts int `json:"parts"`
}

// total is what an order must return.
func (o order) total() int { return o.Parts*(o.Parts-1)/2 + o.Run*o.Parts + 2*o.Run }

type part struct {
	Run int `json:"run"`
	N   int `json:"n"`
}

// functions are those of the app: each leaves a line where the test can count.
func functions(effects io.Writer) []sdk.AnyFunction {
	leave := func(format string, args ...any) error {
		_, err := fmt.Fprintf(effects, format+"\n", args...) // one write, appended as a whole
		return err
	}
	work := sdk.Func("work", func(_ context.Context, p part) (int, error) {
		return p.Run + p.N, leave("part %d/%d", p.Run, p.N)
	})
	fanOut := sdk.Func("fan_out", func(ctx context.Context, o order) (int, error) {
		before, err := sdk.Step(ctx, "before", func(context.Context) (int, error) { return o.Run, leave("before %d", o.Run) })
		if err != nil {
			return 0, err
		}
		parts := make([]part, o.Parts)
		for i := range parts {
			parts[i] = part{o.Run, i}
		}
		results, err := work.Gather(ctx, parts)
		if err != nil {
			return 0, err
		}
		after, err := sdk.Step(ctx, "after", func(context.Context) (int, error) { return o.Run, leave("after %d", o.Run) })
		total := before + after
		for _, r := range results {
			total += r
		}
		return total, err
	})
	return []sdk.AnyFunction{fanOut, work}
}

// beFunctions is an app with functions, configured by its environment.
func beFunctions(effects string) error {
	f, err := os.OpenFile(effects, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	endpoint, err := sdk.NewEndpoint(sdk.EndpointConfig{}, functions(f)...)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return endpoint.ListenAndServe(ctx)
}

// instance is one process of the app.
type instance struct {
	program program
	effects string // file
	mu      sync.Mutex
	cmd     *exec.Cmd
}

func (i *instance) start(t *testing.T) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cmd = i.program.command(i.effects)
	i.cmd.Stderr = os.Stderr
	require.NoError(t, i.cmd.Start())
}

func (i *instance) kill() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd != nil {
		i.cmd.Process.Kill()
		i.cmd.Wait()
		i.cmd = nil
	}
}

// balancer passes connections on to the instances in turn, as something in front
// of an app does. A dead one is passed over.
func balancer(t *testing.T, addrs ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 0; ; n++ {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go pass(in, addrs[n%len(addrs)], addrs[(n+1)%len(addrs)])
		}
	}()
	return l.Addr().String()
}

func pass(in net.Conn, addrs ...string) {
	defer in.Close()
	for _, addr := range addrs {
		out, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			continue
		}
		defer out.Close()
		go func() { io.Copy(out, in); out.(*net.TCPConn).CloseWrite() }()
		io.Copy(in, out)
		return
	}
}

// fleet is two instances of the app behind one address.
func fleet(t *testing.T, s *server, effects string) (url string, instances []*instance) {
	t.Helper()
	addrs := []string{freeAddr(t), freeAddr(t)}
	url = "http://" + balancer(t, addrs...)
	for _, addr := range addrs {
		i := &instance{effects: effects, program: self("functions",
			"DISPATCH_API_URL=http://"+s.addr, "DISPATCH_ENDPOINT_URL="+url, "DISPATCH_ENDPOINT_ADDR="+addr)}
		i.start(t)
		t.Cleanup(i.kill)
		instances = append(instances, i)
	}
	return url, instances
}

func (s *server) startOrder(endpoint string, o order) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		c, err := sdk.NewClient(sdk.ClientConfig{URL: "http://" + s.addr})
		if err != nil {
			return "", err
		}
		id := fmt.Sprintf("order-%d", o.Run)
		_, err = c.Submit(ctx, sdk.NewTask{ID: id, Function: "fan_out", Endpoint: endpoint, Payload: o})
		if err == nil || sdk.IsConflict(err) {
			return id, nil
		}
		if ctx.Err() != nil {
			return "", err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestFunctionsSurviveTheirServerAndTheirApps: the server and both instances of
// the app are killed in turn while fan-outs run; every result is right, and
// every step and part was carried out at least once.
func TestFunctionsSurviveTheirServerAndTheirApps(t *testing.T) {
	functionOrdeal(t, filepath.Join(t.TempDir(), "sendoff.db"), true)
}

func TestFunctionsSurviveOnPostgreSQL(t *testing.T) { functionOrdeal(t, postgres(t), true) }

// TestFunctionsRunOnceWithoutFaults is the control: no step or part is carried
// out twice when nothing is broken.
func TestFunctionsRunOnceWithoutFaults(t *testing.T) {
	functionOrdeal(t, filepath.Join(t.TempDir(), "sendoff.db"), false)
}

func functionOrdeal(t *testing.T, db string, faults bool) {
	orders, parts := heavy(150, 1000), heavy(20, 100)
	effects := filepath.Join(t.TempDir(), "effects")
	s := newServer(t, sendoff(t), db)
	s.start()
	endpoint, instances := fleet(t, s, effects)

	var ids sync.Map
	done := make(chan error, 1)
	go func() {
		for run := range orders {
			id, err := s.startOrder(endpoint, order{run, parts})
			if err != nil {
				done <- err
				return
			}
			ids.Store(run, id)
		}
		done <- nil
	}()
	if faults {
		for range heavy(8, 40) {
			time.Sleep(time.Duration(100+rand.IntN(heavy(500, 3000))) * time.Millisecond)
			switch n := rand.IntN(3); n {
			case 2:
				s.kill()
				s.start()
			default:
				instances[n].kill()
				time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
				instances[n].start(t)
			}
		}
	}
	require.NoError(t, <-done)
	s.checkOrders(t, &ids, orders, parts)
	checkEffects(t, effects, orders, parts, faults)
}

// checkOrders waits for every order and looks at what it returned.
func (s *server) checkOrders(t *testing.T, ids *sync.Map, orders, parts int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(heavy(60, 1200))*time.Second)
	defer cancel()
	c, err := sdk.NewClient(sdk.ClientConfig{URL: "http://" + s.addr})
	require.NoError(t, err)
	for run := range orders {
		id, _ := ids.Load(run)
		got, err := c.Wait(ctx, id.(string))
		require.NoError(t, err, "order %d: %+v", run, got)
		require.Equal(t, "succeeded", string(got.State), "order %d: %s", run, got.LastError)
		var total int
		require.NoError(t, json.Unmarshal(got.Result, &total))
		require.Equal(t, order{run, parts}.total(), total, "order %d", run)
	}
}

func checkEffects(t *testing.T, file string, orders, parts int, faults bool) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	count := map[string]int{}
	for line := range strings.Lines(string(b)) {
		count[strings.TrimSpace(line)]++
	}
	again := 0
	expect := func(format string, args ...any) {
		n := count[fmt.Sprintf(format, args...)]
		require.NotZero(t, n, "not carried out: "+format, args)
		again += n - 1
	}
	for run := range orders {
		expect("before %d", run)
		expect("after %d", run)
		for n := range parts {
			expect("part %d/%d", run, n)
		}
	}
	t.Logf("%d orders of %d parts: %d carried out more than once", orders, parts, again)
	if !faults {
		require.Zero(t, again, "carried out more than once although nothing was broken")
	}
}
