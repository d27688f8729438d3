//go:build linux

package record

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
	"github.com/sendoff-dev/sendoff/internal/dispatcherd/pgnotify"
	"github.com/sendoff-dev/sendoff/internal/exec/process"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/task"
)

// jobs is the module of the tasks. They say what they do in a file, a line each.
const jobs = `
import os, time

def note(*args):
    with open(os.environ["NOTES"], "a") as f:
        f.write(" ".join(map(str, args)) + "\n")

def sleep(seconds, name):
    note("start", name)
    time.sleep(seconds)
    note("end", name)

def fail(times, name):
    with open(os.environ["NOTES"]) as f:
        begun = f.read().count("try " + name + "\n")
    note("try", name)
    if begun < times:
        raise ValueError("not yet")

def die(name):
    note("try", name)
    os._exit(3)
`

// home is what services over one database share.
type home struct {
	t     *testing.T
	dir   string
	notes string
	to    Config
	dsn   string // of PostgreSQL; "" = there is none
}

func newHome(t *testing.T, dsn string) *home {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "jobs.py"), []byte(jobs), 0o600))
	h := &home{t: t, dir: dir, notes: filepath.Join(dir, "notes"), dsn: dsn, to: Config{DSN: dsn}}
	if dsn == "" {
		h.to.DSN, h.to.File = filepath.Join(dir, "tasks.db"), true
	}
	return h
}

// note says something in place of a task.
func (h *home) note(line string) {
	h.t.Helper()
	require.NoError(h.t, os.WriteFile(h.notes, []byte(line+"\n"), 0o600))
}

// service is one that runs.
type service struct {
	*home
	sock   string
	stop   func()
	engine atomic.Pointer[engine.Engine] // of its last record; nil = it has none
}

// start starts a service; a node id of "" is one that is made.
func (h *home) start(node string, change func(*dispatcherd.Config, *Config)) *service {
	h.t.Helper()
	v := &service{home: h, sock: filepath.Join(h.t.TempDir(), "s")}
	brokers := fmt.Sprintf("socket: {socket_path: %q}", v.sock)
	if h.dsn != "" {
		brokers += fmt.Sprintf("\n  pg_notify: {config: {conninfo: %q}, channels: [one, two]}", h.dsn)
	}
	cfg, err := dispatcherd.ParseConfig(fmt.Appendf(nil, "version: 2\nservice: {main_kwargs: {node_id: %q}, pool_kwargs: {max_workers: 1}}\nbrokers:\n  %s\n", node, brokers))
	require.NoError(h.t, err)
	log := slog.New(slog.NewTextHandler(h.t.Output(), nil))
	to := h.to
	to.Service, to.Version, to.Log = cfg, "test", log
	to.Serve = func(ctx context.Context, e *engine.Engine) error {
		v.engine.Store(e)
		<-ctx.Done()
		return nil
	}
	if change != nil {
		change(cfg, &to)
	}
	v.run(cfg, Opener(to))
	v.joins()
	return v
}

func (v *service) run(cfg *dispatcherd.Config, open dispatcherd.Open) {
	log := slog.New(slog.NewTextHandler(v.t.Output(), nil))
	var err error
	cfg.Pool.Worker, err = process.Python("")
	require.NoError(v.t, err)
	cfg.Pool.Dir, cfg.Pool.Env = v.dir, append(os.Environ(), "NOTES="+v.notes)
	cfg.Pool.Settings = json.RawMessage(`{"mode":"plain"}`)
	brokers := []dispatcherd.Broker{dispatcherd.NewSocket(v.sock, log)}
	if cfg.Notify != nil {
		b, err := pgnotify.New(*cfg.Notify, log)
		require.NoError(v.t, err)
		brokers = append(brokers, b)
	}
	s, err := dispatcherd.New(cfg, brokers, open, log, new(slog.LevelVar))
	require.NoError(v.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- s.Run(ctx) }()
	ended := false
	v.stop = func() {
		if !ended {
			ended = true
			cancel()
			require.NoError(v.t, <-over)
		}
	}
	v.t.Cleanup(v.stop)
	v.until(func() bool {
		conn, err := net.Dial("unix", v.sock)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, "it listens")
}

func (h *home) until(done func() bool, what string) {
	h.t.Helper()
	require.Eventually(h.t, done, 30*time.Second, 2*time.Millisecond, what)
}

// ask sends lines over one connection, and returns the answer to a command after them.
func (v *service) ask(command, data string, lines ...string) map[string]any {
	v.t.Helper()
	conn, err := net.Dial("unix", v.sock)
	require.NoError(v.t, err)
	defer conn.Close()
	lines = append(lines, fmt.Sprintf(`{"control":%q,"reply_to":"x","control_data":%s}`, command, data))
	_, err = conn.Write([]byte(strings.Join(lines, "\n") + "\n"))
	require.NoError(v.t, err)
	var join dispatcherd.Joiner
	for s := bufio.NewScanner(conn); len(join.Whole) == 0; {
		require.True(v.t, s.Scan())
		join.Take(s.Bytes())
	}
	var out map[string]any
	require.NoError(v.t, json.Unmarshal(join.Whole[0], &out))
	return out
}

func (v *service) send(lines ...string) { v.ask("alive", "{}", lines...) }

// kinds counts what the command running shows.
func (v *service) kinds() map[string]int {
	kinds := map[string]int{}
	for key := range v.ask("running", "{}") {
		kind, _, _ := strings.Cut(key, "-")
		if kind != "node_id" {
			kinds[kind]++
		}
	}
	return kinds
}

func (h *home) count(line string) (n int) {
	text, _ := os.ReadFile(h.notes)
	for l := range strings.Lines(string(text)) {
		if l == line+"\n" {
			n++
		}
	}
	return n
}

func (h *home) saw(line string) {
	h.t.Helper()
	h.until(func() bool { return h.count(line) > 0 }, line)
}

// states are how many tasks are in each state, and why.
func (v *service) states() map[string]int {
	v.t.Helper()
	page, err := v.engine.Load().Tasks().List(v.t.Context(), engine.Filter{Limit: 500})
	require.NoError(v.t, err)
	out := map[string]int{}
	for i := range page.Items {
		out[strings.TrimSpace(page.Items[i].State.String()+" "+page.Items[i].Reason.String())]++
	}
	return out
}

func eachStore(t *testing.T, test func(t *testing.T, h *home)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, newHome(t, "")) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, newHome(t, testkit.Postgres(t))) })
}

const backlog = `{"task":"jobs.sleep","args":[600,"first"]}
{"task":"jobs.note","args":["second"]}
{"task":"jobs.note","args":["third"],"delay":0.3}
{"task":"jobs.sleep","args":[0,"fourth"],"on_duplicate":"serial","uuid":"4a"}
{"task":"jobs.sleep","args":[0,"fourth"],"on_duplicate":"serial","uuid":"4b"}`

// TestWhatHadNotBegunRunsAfterARestart, and what had begun is not begun again.
func TestWhatHadNotBegunRunsAfterARestart(t *testing.T) {
	eachStore(t, func(t *testing.T, h *home) {
		a := h.start("n", nil)
		a.send(strings.Split(backlog, "\n")...)
		h.saw("start first")
		a.stop()
		b := h.start("n", nil)
		h.saw("second")
		h.saw("third")
		h.until(func() bool { return h.count("end fourth") == 2 }, "both of the duplicates")
		h.until(func() bool { return b.states()["succeeded"] == 4 }, "their ends are recorded")
		require.Equal(t, map[string]int{"succeeded": 4, "failed lost": 1}, b.states())
		require.Equal(t, 1, h.count("start first"))
		require.Empty(t, b.kinds())
	})
}

// TestTheBacklogIsShownAfterARestart, before it begins.
func TestTheBacklogIsShownAfterARestart(t *testing.T) {
	h := newHome(t, "")
	a := h.start("n", nil)
	a.send(`{"task":"jobs.sleep","args":[600,"a"]}`)
	h.saw("start a")
	a.send(`{"task":"jobs.sleep","args":[600,"b"]}`, `{"task":"jobs.sleep","args":[600,"c"]}`, `{"task":"jobs.note","args":["d"],"delay":600,"uuid":"d"}`)
	a.stop()
	b := h.start("n", nil)
	h.saw("start b")
	require.Equal(t, map[string]int{"worker": 1, "queued": 1, "delayed": 1}, b.kinds())
	require.Contains(t, b.ask("cancel", `{"uuid":"d"}`), "delayed-0")
	h.until(func() bool { return b.states()["canceled requested"] == 1 }, "it is canceled in the database")
}

// TestAGeneratedIdLeavesNothingBehind: nobody takes the place of such a service.
func TestAGeneratedIdLeavesNothingBehind(t *testing.T) {
	eachStore(t, func(t *testing.T, h *home) {
		a := h.start("", nil)
		a.send(strings.Split(backlog, "\n")...)
		h.saw("start first")
		a.stop()
		b := h.start("", nil)
		h.until(func() bool { return b.states()["failed lost"] == 5 }, "all of it is lost")
		b.send(`{"task":"jobs.note","args":["new"]}`)
		h.saw("new")
		require.Zero(t, h.count("second")+h.count("third")+h.count("start fourth"))
		h.until(func() bool { return len(b.kinds()) == 0 }, "nothing is listed")
	})
}

// TestWhoIsGoneIsMissedByOthers: what a service with a generated id leaves is ended by
// another one, which has a name of its own.
func TestWhoIsGoneIsMissedByOthers(t *testing.T) {
	h := newHome(t, testkit.Postgres(t))
	a, b := h.start("", nil), h.start("", nil)
	a.send(`{"task":"jobs.sleep","args":[600,"first"]}`, `{"task":"jobs.note","args":["second"]}`)
	b.send(`{"task":"jobs.note","args":["b's own"]}`)
	h.saw("start first")
	h.saw("b's own")
	a.stop()
	h.until(func() bool { return b.states()["failed lost"] == 2 }, "b ends what a leaves")
	require.Zero(t, h.count("second"))
}

func TestDuplicatesAndCancels(t *testing.T) {
	eachStore(t, func(t *testing.T, h *home) {
		v := h.start("n", nil)
		v.send(`{"task":"jobs.sleep","args":[600,"x"],"uuid":"x"}`)
		h.saw("start x")
		same := func(rule, uuid string) string {
			return fmt.Sprintf(`{"task":"jobs.sleep","args":[0,"s"],"on_duplicate":%q,"uuid":%q}`, rule, uuid)
		}
		v.send(same("serial", "s1"), same("serial", "s2"), same("discard", "s3"), same("queue_one", "s4"))
		require.Equal(t, map[string]int{"worker": 1, "queued": 1, "blocked": 1}, v.kinds())
		require.Contains(t, v.ask("cancel", `{"uuid":"s1"}`), "queued-0")
		v.send(`{"task":"jobs.note","args":["never"],"delay":600,"uuid":"d"}`)
		require.Contains(t, v.ask("cancel", `{"uuid":"d"}`), "delayed-0")
		require.Contains(t, v.ask("cancel", `{"uuid":"x"}`), "worker-0")
		h.saw("end s")
		h.until(func() bool { return v.states()["canceled requested"] == 3 && v.states()["succeeded"] == 1 }, "their ends")
		require.Equal(t, 1, h.count("start s"))
		require.Zero(t, h.count("end x"))
		require.Empty(t, v.kinds())
	})
}

// TestARuleCountsThoseWithoutOne: what has no rule holds up what has one, and is held up by
// nothing.
func TestARuleCountsThoseWithoutOne(t *testing.T) {
	eachStore(t, func(t *testing.T, h *home) {
		v := h.start("n", func(cfg *dispatcherd.Config, _ *Config) { cfg.Pool.Max = 3 })
		v.send(`{"task":"jobs.note","args":["warm"]}`)
		h.saw("warm")
		v.send(`{"task":"jobs.sleep","args":[0.3,"p"]}`, `{"task":"jobs.sleep","args":[0.3,"p"],"on_duplicate":"serial"}`,
			`{"task":"jobs.sleep","args":[0.3,"p"],"on_duplicate":"discard"}`, `{"task":"jobs.sleep","args":[0.3,"p"],"on_duplicate":"queue_one"}`)
		require.Equal(t, map[string]int{"worker": 1, "blocked": 1}, v.kinds())
		h.until(func() bool { return h.count("end p") == 2 }, "both")
		text, err := os.ReadFile(h.notes)
		require.NoError(t, err)
		require.Equal(t, "warm\nstart p\nend p\nstart p\nend p\n", string(text))
	})
}

// TestADelayedDuplicateIsDroppedWhenItIsDue, and nothing of it stays listed.
func TestADelayedDuplicateIsDroppedWhenItIsDue(t *testing.T) {
	h := newHome(t, "")
	v := h.start("n", nil)
	for range 5 {
		v.send(`{"task":"jobs.sleep","args":[0.2,"d"],"on_duplicate":"queue_one","delay":0.2}`)
	}
	h.until(func() bool { return len(v.kinds()) == 0 }, "nothing is left")
	require.Equal(t, 2, h.count("end d"))
}

// TestWhatOthersCancelIsListedNoMore.
func TestWhatOthersCancelIsListedNoMore(t *testing.T) {
	h := newHome(t, "")
	v := h.start("n", nil)
	v.send(`{"task":"jobs.note","args":["never"],"delay":600}`)
	require.Equal(t, map[string]int{"delayed": 1}, v.kinds())
	page, err := v.engine.Load().Tasks().List(t.Context(), engine.Filter{})
	require.NoError(t, err)
	_, err = v.engine.Load().Tasks().Cancel(t.Context(), page.Items[0].ID)
	require.NoError(t, err)
	h.until(func() bool { return len(v.kinds()) == 0 }, "it is gone")
}

// TestRetriesAreAskedFor, by a message or for its channel; without that there is one attempt.
func TestRetriesAreAskedFor(t *testing.T) {
	eachStore(t, func(t *testing.T, h *home) {
		h.note("begin")
		v := h.start("n", func(cfg *dispatcherd.Config, _ *Config) {
			cfg.Channels = map[string]dispatcherd.Channel{"socket": {Retry: &task.RetryPolicy{MaxAttempts: 2, MinBackoff: time.Millisecond}}}
		})
		v.send(
			`{"task":"jobs.fail","args":[1,"a"]}`, // as the channel has it
			`{"task":"jobs.fail","args":[9,"b"],"retry":{"max_attempts":1}}`,
			`{"task":"jobs.fail","args":[2,"c"],"retry":{"max_attempts":3,"min_backoff":0.001}}`,
			`{"task":"jobs.fail","args":[9,"d"],"retry":{"max_attempts":3,"min_backoff":"1ms"}}`,
			`{"task":"jobs.die","args":["e"]}`,
		)
		h.until(func() bool {
			return maps.Equal(v.states(), map[string]int{"succeeded": 2, "failed exhausted": 3})
		}, "all have ended")
		for name, want := range map[string]int{"a": 2, "b": 1, "c": 3, "d": 3, "e": 2} {
			require.Equal(t, want, h.count("try "+name), name)
		}
		h.until(func() bool { return len(v.kinds()) == 0 }, "nothing is listed")
	})
}

// TestWhatIsTriedAgainIsListed as delayed, holds up its duplicates, and can be canceled.
func TestWhatIsTriedAgainIsListed(t *testing.T) {
	h := newHome(t, "")
	h.note("begin")
	v := h.start("n", nil)
	again := `{"task":"jobs.fail","args":[1,"a"],"on_duplicate":"serial","uuid":"%s","retry":{"min_backoff":"10m"}}`
	v.send(fmt.Sprintf(again, "1"), fmt.Sprintf(again, "2"))
	h.until(func() bool { return maps.Equal(v.kinds(), map[string]int{"delayed": 1, "blocked": 1}) }, "one waits to be tried again, the other one for it")
	require.Equal(t, 1, h.count("try a"))
	require.Contains(t, v.ask("cancel", `{"uuid":"1"}`), "delayed-0")
	h.until(func() bool { return maps.Equal(v.states(), map[string]int{"canceled requested": 1, "succeeded": 1}) }, "the other one has had its turn")
	h.until(func() bool { return len(v.kinds()) == 0 }, "nothing is listed")
}

// TestWhatMayBeTriedAgainIs, when the service that had begun it is gone.
func TestWhatMayBeTriedAgainIs(t *testing.T) {
	h := newHome(t, "")
	a := h.start("n", nil)
	a.send(`{"task":"jobs.sleep","args":[600,"a"],"retry":{"max_attempts":2}}`)
	h.saw("start a")
	a.stop()
	b := h.start("n", nil)
	h.until(func() bool { return h.count("start a") == 2 }, "it is begun again")
	require.Equal(t, map[string]int{"running": 1}, b.states())
}

// TestControlOverHTTP: every command, with the answer that it has over a broker, and none
// of them counts as a message.
func TestControlOverHTTP(t *testing.T) {
	h := newHome(t, "")
	v := h.start("n", func(cfg *dispatcherd.Config, _ *Config) { cfg.Control = true })
	door := httptest.NewServer(v.engine.Load().Handler(engine.HandlerConfig{}))
	defer door.Close()
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: door.URL})
	require.NoError(t, err)
	members := func(answer map[string]json.RawMessage, err error) []string {
		require.NoError(t, err)
		return slices.Sorted(maps.Keys(answer))
	}
	v.send(`{"task":"jobs.sleep","args":[60,"it"],"kwargs":{},"uuid":"u"}`)
	h.saw("start it")
	before := v.ask("main", "{}")
	for _, command := range []string{"alive", "running", "workers", "producers", "metrics", "main", "chunks", "aio_tasks", "status"} {
		require.Equal(t, slices.Sorted(maps.Keys(v.ask(command, "{}"))), members(client.Workers.Control(t.Context(), command, nil)), command)
	}
	after := v.ask("main", "{}")
	require.EqualValues(t, before["control_count"].(float64)+10, after["control_count"], "those over the broker")

	v.send(`{"task":"jobs.note","args":["waits"],"uuid":"w","more":NaN}`)
	found, err := client.Workers.Control(t.Context(), "running", map[string]any{"uuid": "w"})
	require.NoError(t, err)
	require.Contains(t, string(found["queued-0"]), `"more":"NaN"`)
	require.JSONEq(t, `"n"`, string(found["node_id"]))
	require.Equal(t, []string{"node_id"}, members(client.Workers.Control(t.Context(), "running", map[string]any{"uuid": "other"})))
	require.Equal(t, []string{"level", "logger", "node_id", "previous_level"}, members(client.Workers.Control(t.Context(), "set_log_level", map[string]any{"level": "INFO"})))
	require.Equal(t, []string{"ack", "node_id"}, members(client.Workers.Control(t.Context(), "run", map[string]any{"task": "jobs.note", "args": []string{"behind"}})))
	require.Contains(t, members(client.Workers.Control(t.Context(), "cancel", map[string]any{"uuid": "u"})), "worker-0")
	h.saw("waits")
	h.saw("behind")

	post := func(command, data string) int {
		res, err := http.Post(door.URL+"/v1/control/"+command, "application/x-www-form-urlencoded", strings.NewReader(data)) // as curl does
		require.NoError(t, err)
		res.Body.Close()
		return res.StatusCode
	}
	require.Equal(t, http.StatusOK, post("running", `{"uuid":"u"}`))
	for command, data := range map[string]string{"nonsense": "{}", "asyncio": "", "running": "{", "cancel": "[5]"} {
		require.Equal(t, http.StatusUnprocessableEntity, post(command, data), command)
	}
}

// TestARecordSaysAllThereIsToKnow: who published it, how it ended, what it printed.
func TestARecordSaysAllThereIsToKnow(t *testing.T) {
	h := newHome(t, "")
	v := h.start("n", nil)
	v.send(`{"task":"lambda: print('hello') or 42","uuid":"u-1","timeout":0.5}`, `{"task":"jobs.sleep","args":[60,"late"],"timeout":0.1}`)
	h.until(func() bool { return v.states()["succeeded"] == 1 && v.states()["failed exhausted"] == 1 }, "both have ended")
	page, err := v.engine.Load().Tasks().List(t.Context(), engine.Filter{Labels: map[string]string{"uuid": "u-1"}})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	got := page.Items[0]
	require.Equal(t, []any{"socket", task.Process, true, "node:n"}, []any{got.Queue, got.Kind, got.Once, got.Workers})
	attempts, err := v.engine.Load().Tasks().Attempts(t.Context(), got.ID, "", 0)
	require.NoError(t, err)
	require.Equal(t, "42", string(attempts.Items[0].Body))
}

// alone starts a service with nothing but a socket, whose records are opened by another way.
func (h *home) alone(opens func(dispatcherd.Open) dispatcherd.Open) *service {
	v := &service{home: h, sock: filepath.Join(h.t.TempDir(), "s")}
	cfg, err := dispatcherd.ParseConfig(fmt.Appendf(nil, "version: 2\nservice: {main_kwargs: {node_id: n}}\nbrokers: {socket: {socket_path: %q}}", v.sock))
	require.NoError(h.t, err)
	to := h.to
	to.Service, to.Log = cfg, slog.New(slog.NewTextHandler(h.t.Output(), nil))
	to.Serve = func(ctx context.Context, e *engine.Engine) error { v.engine.Store(e); <-ctx.Done(); return nil }
	v.run(cfg, opens(Opener(to)))
	return v
}

func (v *service) joins() {
	v.until(func() bool { return v.engine.Load() != nil && v.engine.Load().Ready(v.t.Context()) == nil }, "it joins")
}

// TestServiceWithoutItsDatabase: it starts, runs what comes, and records when it can.
func TestServiceWithoutItsDatabase(t *testing.T) {
	h := newHome(t, "")
	h.to.DSN = filepath.Join(h.dir, "not yet", "tasks.db")
	v := h.alone(func(open dispatcherd.Open) dispatcherd.Open { return open })
	v.send(`{"task":"jobs.note","args":["in memory"]}`)
	h.saw("in memory")
	require.NoError(t, os.Mkdir(filepath.Join(h.dir, "not yet"), 0o700))
	v.joins()
	v.send(`{"task":"jobs.note","args":["on record"]}`)
	h.saw("on record")
	h.until(func() bool { return v.states()["succeeded"] == 1 }, "only what came since is recorded")
}

// faulty is a recorder whose database does not answer: what is added may be there.
type faulty struct {
	dispatcherd.Recorder
	fails, stores atomic.Bool
}

var errAway = errors.New("no answer")

func (f *faulty) Add(ctx context.Context, all []dispatcherd.Record) ([]error, error) {
	if !f.fails.Load() {
		return f.Recorder.Add(ctx, all)
	}
	if f.stores.Load() {
		if _, err := f.Recorder.Add(ctx, all); err != nil {
			return nil, err
		}
	}
	return nil, errAway
}

func (f *faulty) Ready(ctx context.Context) error {
	if f.fails.Load() {
		return errAway
	}
	return f.Recorder.Ready(ctx)
}

// TestNothingRunsTwiceWhenTheDatabaseDoesNotAnswer: what cannot be recorded is carried out
// from memory, also where nobody knows whether it was.
func TestNothingRunsTwiceWhenTheDatabaseDoesNotAnswer(t *testing.T) {
	for _, stores := range []bool{false, true} {
		t.Run(fmt.Sprintf("stored %v", stores), func(t *testing.T) {
			h := newHome(t, "")
			var f faulty
			f.stores.Store(stores)
			v := h.alone(func(open dispatcherd.Open) dispatcherd.Open {
				return func(ctx context.Context, s *dispatcherd.Service) (_ dispatcherd.Recorder, err error) {
					f.Recorder, err = open(ctx, s)
					return &f, err
				}
			})
			v.joins()
			f.fails.Store(true)
			for i := range 50 {
				v.send(fmt.Sprintf(`{"task":"jobs.note","args":["%d"]}`, i))
			}
			h.saw("49")
			f.fails.Store(false)
			h.until(func() bool {
				v.send(`{"task":"jobs.note","args":["after"]}`)
				return v.states()["succeeded"] > 0
			}, "tasks are recorded again")
			h.until(func() bool { return len(v.kinds()) == 0 }, "all have ended")
			for i := range 50 {
				require.Equal(t, 1, h.count(fmt.Sprint(i)), i)
			}
		})
	}
}

// TestASharedChannelIsTakenByOne: each of its messages runs once, on whichever service has
// its turn, and another one takes over. What comes over other channels runs everywhere.
func TestASharedChannelIsTakenByOne(t *testing.T) {
	h := newHome(t, testkit.Postgres(t))
	share := func(cfg *dispatcherd.Config, _ *Config) { cfg.Notify.Shared = []string{"two"} }
	services := []*service{h.start("a", share), h.start("b", share)}
	conn, err := pgx.Connect(t.Context(), h.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	notify := func(channel, name string) {
		_, err := conn.Exec(t.Context(), "select pg_notify($1, $2)", channel, fmt.Sprintf(`{"task":"jobs.note","args":[%q]}`, name))
		require.NoError(t, err)
	}
	h.until(func() bool { notify("two", "ready"); return h.count("ready") > 0 }, "somebody has the turn")
	for i := range 20 {
		notify("two", fmt.Sprint("s", i))
	}
	notify("one", "everywhere")
	h.until(func() bool { return h.count("everywhere") == 2 }, "each service runs it")
	for i := range 20 {
		h.saw(fmt.Sprint("s", i))
	}
	for range services {
		services[0].stop()
		services = append(services[1:], h.start("a", share))
		h.until(func() bool { notify("two", "again"); return h.count("again") > 0 }, "the other one takes over")
	}
	for i := range 20 {
		require.Equal(t, 1, h.count(fmt.Sprint("s", i)))
	}
}

// TestWhatIsSubmittedInSQLRunsOnce, whoever listens to its channel and whenever that is.
func TestWhatIsSubmittedInSQLRunsOnce(t *testing.T) {
	h := newHome(t, testkit.Postgres(t))
	h.start("a", nil).stop() // which makes the schema
	conn, err := pgx.Connect(t.Context(), h.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	submit := func(name string) (id string) {
		err := conn.QueryRow(t.Context(), "select sendoff.submit('two', jsonb_build_object('task', 'jobs.note', 'args', jsonb_build_array($1::text)))::text", name).Scan(&id)
		require.NoError(t, err)
		return id
	}
	early := submit("early")
	a, _ := h.start("a", nil), h.start("", nil)
	h.saw("early")
	h.until(func() bool {
		got, err := a.engine.Load().Tasks().Get(t.Context(), early)
		return err == nil && got.State == task.Succeeded
	}, "its id is that of the task")
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	for i := range 50 {
		submit(fmt.Sprint("n", i))
	}
	require.NoError(t, tx.Commit(t.Context()))
	for i := range 50 {
		h.saw(fmt.Sprint("n", i))
	}
	h.until(func() bool { return a.states()["succeeded"] == 51 }, "their ends are recorded")
	for i := range 50 {
		require.Equal(t, 1, h.count(fmt.Sprint("n", i)))
	}
}
