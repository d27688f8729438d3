//go:build linux

package dispatcherd

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/exec/process"
)

// jobs is the module of the tasks. They say what they do in a file, a line each.
const jobs = `
import os, signal, subprocess, time

def note(*args, **kwargs):
    with open(os.environ["NOTES"], "a") as f:
        f.write(" ".join(map(str, args)) + "\n")

def sleep(seconds, name="sleep"):
    note("start", name)
    time.sleep(seconds)
    note("end", name)

def die(name):
    note("start", name)
    os.kill(os.getpid(), signal.SIGKILL)

def child(name):
    p = subprocess.Popen(["sleep", "300"])
    note("child", p.pid)
    p.wait()
`

// run runs a service with a socket and no other broker.
type run struct {
	*Service
	t     *testing.T
	sock  string
	notes string
	stop  func() error
}

func serve(t *testing.T, settings string) *run {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "jobs.py"), []byte(jobs), 0o600))
	r := &run{t: t, sock: filepath.Join(dir, "s.sock"), notes: filepath.Join(dir, "notes")}
	cfg, err := ParseConfig(fmt.Appendf(nil, "version: 2\nbrokers: {socket: {socket_path: %q}}\nproducers: {ControlProducer: null}\n%s", r.sock, settings))
	require.NoError(t, err)
	cfg.NodeID = "n"
	cfg.Pool.Worker, err = process.Python("")
	require.NoError(t, err)
	cfg.Pool.Dir, cfg.Pool.Env = dir, append(os.Environ(), "NOTES="+r.notes)
	cfg.Pool.Settings = json.RawMessage(`{"mode":"plain"}`)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	r.Service, err = New(cfg, []Broker{NewSocket(r.sock, log)}, nil, log, new(slog.LevelVar))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- r.Run(ctx) }()
	ended := false
	r.stop = func() error {
		ended = true
		cancel()
		return <-over
	}
	t.Cleanup(func() {
		if !ended {
			require.NoError(t, r.stop())
		}
	})
	r.until(func() bool {
		conn, err := net.Dial("unix", r.sock)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, "it listens")
	return r
}

func (r *run) until(done func() bool, what string) {
	r.t.Helper()
	require.Eventually(r.t, done, 20*time.Second, time.Millisecond, what)
}

// send sends lines over one connection.
func (r *run) send(lines ...string) {
	r.t.Helper()
	conn, err := net.Dial("unix", r.sock)
	require.NoError(r.t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(strings.Join(lines, "\n") + "\n"))
	require.NoError(r.t, err)
	_, err = conn.Write([]byte(`{"control":"alive","reply_to":"x"}` + "\n"))
	require.NoError(r.t, err)
	s := bufio.NewScanner(conn)
	require.True(r.t, s.Scan(), "everything before it has been taken")
}

// ctl asks and returns the answer.
func (r *run) ctl(command, data string) map[string]any {
	r.t.Helper()
	conn, err := net.Dial("unix", r.sock)
	require.NoError(r.t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, `{"control":%q,"reply_to":"x","control_data":%s}`+"\n", command, data)
	require.NoError(r.t, err)
	var join Joiner
	for s := bufio.NewScanner(conn); len(join.Whole) == 0; {
		require.True(r.t, s.Scan())
		join.Take(s.Bytes())
	}
	var out map[string]any
	require.NoError(r.t, json.Unmarshal(join.Whole[0], &out))
	return out
}

func (r *run) lines() []string {
	text, _ := os.ReadFile(r.notes)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func (r *run) saw(line string) bool {
	for _, l := range r.lines() {
		if l == line {
			return true
		}
	}
	return false
}

// kinds counts what the command running shows.
func (r *run) kinds() map[string]int {
	kinds := map[string]int{}
	for key := range r.ctl("running", "{}") {
		kind, _, _ := strings.Cut(key, "-")
		if kind != "node_id" {
			kinds[kind]++
		}
	}
	return kinds
}

// TestWrongMessagesHarmNobody: whatever comes, the next task runs.
func TestWrongMessagesHarmNobody(t *testing.T) {
	r := serve(t, "")
	wrong := []string{
		`{"task":5}`, `{"task":null}`, `{"task":"jobs.note","args":5}`, `{"task":"jobs.note","kwargs":"x"}`, `{"task":"jobs.note","delay":"x"}`,
		`{"task":"jobs.note","timeout":[]}`, `{"control":5}`, `{"control":["alive"]}`, `{"control":null}`, `{"control":"alive","reply_to":5}`, `[]`, `null`, `7`, `{}`,
		`{"control":"asyncio","reply_to":"x"}`, `{"control":"cancel","control_data":5,"reply_to":"x"}`, `{"control":"aio_tasks","control_data":{"limit":"x"},"reply_to":"x"}`,
		`{"task":"jobs.note","retry":5}`, `{"task":"jobs.note","retry":{"tries":5}}`, `{"task":"jobs.note","retry":{"min_backoff":"soon"}}`, `{"self_check":true}`, `{"task":"jobs.note","callbacks":"abc"}`, `{"__dispatcherd_chunk__":"v1"}`, `{"__dispatcherd_chunk__":"v9","message_id":5}`,
		"{\"task\": \"jobs.note\", \"args\": [\"\\ud800\"]}", strings.Repeat("[", 5000), "\xff\xfe", "{\"task\":\"\x00\"}",
	}
	for i, message := range wrong {
		r.send(message, fmt.Sprintf(`{"task":"jobs.note","args":["after %d"]}`, i))
		r.until(func() bool { return r.saw(fmt.Sprintf("after %d", i)) }, message)
	}
	require.EqualValues(t, 0, r.ctl("producers", "{}")["socket-producer"].(map[string]any)["recycle_count"])
}

func TestDelaysAndCancels(t *testing.T) {
	r := serve(t, "service: {pool_kwargs: {max_workers: 1}}")
	r.send(`{"task":"jobs.note","args":["soon"],"delay":0.2}`, `{"task":"jobs.note","args":["never"],"delay":60,"uuid":"d"}`)
	r.until(func() bool { return r.saw("soon") }, "what is delayed runs")
	require.Contains(t, r.ctl("cancel", `{"uuid":"d"}`), "delayed-0")
	r.send(`{"task":"jobs.sleep","args":[60,"long"],"uuid":"r"}`, `{"task":"jobs.note","args":["queued"],"uuid":"q"}`)
	r.until(func() bool { return r.saw("start long") }, "it runs")
	require.Equal(t, map[string]int{"worker": 1, "queued": 1}, r.kinds())
	got := r.ctl("cancel", `{}`)
	require.Contains(t, got, "worker-0")
	require.Contains(t, got, "queued-0")
	r.until(func() bool { return len(r.kinds()) == 0 }, "all are gone")
	require.False(t, r.saw("end long"))
	require.False(t, r.saw("queued"))
	pool := r.ctl("main", "{}")["pool"].(map[string]any)
	require.EqualValues(t, 1, pool["canceled_count"])
}

func TestDuplicates(t *testing.T) {
	r := serve(t, "service: {pool_kwargs: {max_workers: 4}}")
	for rule, want := range map[string]struct {
		at   map[string]int
		runs int
	}{
		"serial":    {map[string]int{"worker": 1, "blocked": 3}, 4},
		"discard":   {map[string]int{"worker": 1}, 1},
		"queue_one": {map[string]int{"worker": 1, "blocked": 1}, 2},
	} {
		var lines []string
		for range 4 {
			lines = append(lines, fmt.Sprintf(`{"task":"jobs.sleep","args":[0.3,%q],"on_duplicate":%q}`, rule, rule))
		}
		r.send(lines...)
		r.until(func() bool { return maps.Equal(want.at, r.kinds()) }, rule)
		r.until(func() bool { return len(r.kinds()) == 0 }, rule)
		n := 0
		for _, l := range r.lines() {
			if l == "start "+rule {
				n++
			}
		}
		require.Equal(t, want.runs, n, rule)
	}
}

// TestADeadWorkerHoldsNobodyBack: its task is gone, and so is what it held back.
func TestADeadWorkerHoldsNobodyBack(t *testing.T) {
	r := serve(t, "service: {pool_kwargs: {max_workers: 1}}")
	r.send(`{"task":"jobs.die","args":["x"],"on_duplicate":"serial"}`, `{"task":"jobs.die","args":["x"],"on_duplicate":"serial"}`, `{"task":"jobs.note","args":["behind"]}`)
	r.until(func() bool { return r.saw("behind") && len(r.kinds()) == 0 }, "all have had their turn")
	require.EqualValues(t, 2, r.ctl("main", "{}")["pool"].(map[string]any)["canceled_count"])
}

// TestAStopEndsEverything, within seconds, and takes its socket along.
func TestAStopEndsEverything(t *testing.T) {
	r := serve(t, "service: {pool_kwargs: {max_workers: 1}}")
	r.send(`{"task":"jobs.child","args":["x"]}`, `{"task":"jobs.note","args":["never"]}`)
	pid := ""
	r.until(func() bool {
		for _, l := range r.lines() {
			if after, ok := strings.CutPrefix(l, "child "); ok {
				pid = after
			}
		}
		return pid != ""
	}, "it has a child")
	began := time.Now()
	require.NoError(t, r.stop())
	require.Less(t, time.Since(began), 10*time.Second)
	require.NoFileExists(t, r.sock)
	r.until(func() bool {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ") // somebody has to wait for it
	}, "its child is gone")
	require.False(t, r.saw("never"))
}

func TestASocketHasOneService(t *testing.T) {
	r := serve(t, "")
	err := NewSocket(r.sock, slog.New(slog.DiscardHandler)).Run(t.Context(), func(Incoming) {})
	require.ErrorContains(t, err, "another service listens there")
	stale := filepath.Join(t.TempDir(), "stale")
	l, err := net.Listen("unix", stale)
	require.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- NewSocket(stale, slog.New(slog.DiscardHandler)).Run(ctx, func(Incoming) {}) }()
	r.until(func() bool {
		conn, err := net.Dial("unix", stale)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, "it takes the place of one that is gone")
	cancel()
	require.NoError(t, <-over)
}

func TestSchedulesAndStarts(t *testing.T) {
	r := serve(t, "")
	_ = r.stop()
	dir := filepath.Dir(r.sock)
	cfg, err := ParseConfig(fmt.Appendf(nil, `version: 2
brokers: {socket: {socket_path: %q}}
producers:
  OnStartProducer: {task_list: {jobs.note: {args: [begun]}}}
  ScheduledProducer: {task_schedule: {jobs.note: {schedule: 0.05, args: [tick]}}}`, r.sock))
	require.NoError(t, err)
	cfg.Pool.Worker, _ = process.Python("")
	cfg.Pool.Dir, cfg.Pool.Env, cfg.Pool.Settings = dir, append(os.Environ(), "NOTES="+r.notes), json.RawMessage(`{"mode":"plain"}`)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := New(cfg, []Broker{NewSocket(r.sock, log)}, nil, log, new(slog.LevelVar))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- s.Run(ctx) }()
	r.until(func() bool { return r.saw("begun") && r.saw("tick") }, "both come")
	cancel()
	require.NoError(t, <-over)
}
