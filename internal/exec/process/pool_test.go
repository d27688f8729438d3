//go:build linux

package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/tail"
)

const guardEnv = "SENDOFF_TEST_GUARD"

func TestMain(m *testing.M) {
	if os.Getenv(guardEnv) != "" {
		if err := Guard(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(serverEnv); dir != "" {
		if err := serve(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// tasks is the module that the workers of the tests import.
const tasks = `
import os, sys, time, signal, subprocess, ctypes

def hello(name="world"):
    print("hello", name)
    return {"hello": name}

def echo(*args, **kwargs):
    return {"args": list(args), "kwargs": kwargs}

def known():
    return [os.environ["SENDOFF_" + name] for name in ("TASK_ID", "TASK_NAME", "ATTEMPT", "MAX_ATTEMPTS", "TOKEN")]

def told():
    import sendoff_worker, threading
    sendoff_worker.progress(1, 3, "page 1")
    other = threading.Thread(target=sendoff_worker.progress, args=(2, 3, "x" * 600))
    other.start()
    other.join()
    sendoff_worker.progress(text="last")

def tells():
    import sendoff_worker
    while True:
        sendoff_worker.progress(1, 2, "y" * 400)

def fail():
    raise ValueError("it does not work")

class Never(Exception):
    permanent = True

class Later(Exception):
    retry_after = 7.5

def never():
    raise Never("no")

def later():
    raise Later("not yet")

def odd():
    return object()

def die(how):
    if how == "exit":
        sys.exit(3)
    os.kill(os.getpid(), getattr(signal, how))

def hog(mib, child):
    code = "import time; held = bytearray(%d << 20); time.sleep(60)" % mib
    if child:
        subprocess.run([sys.executable, "-c", code])
    else:
        exec(code)

def sleep(seconds):
    time.sleep(seconds)

def await_file(path):
    while not os.path.exists(path):
        time.sleep(0.01)

def deaf(seconds):
    end = time.time() + seconds
    while time.time() < end:
        try:
            time.sleep(end - time.time())
        except Exception:
            pass

def stubborn(path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "300"])
    with open(path, "w") as f:
        f.write("%d %d" % (os.getpid(), child.pid))
    deaf(300)

def tree(path):
    code = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(300)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    away = int(child.stdout.readline())
    group = subprocess.Popen(["sleep", "300"])
    with open(path, "w") as f:
        f.write("%d %d %d" % (os.getpid(), away, group.pid))
    time.sleep(300)

def prints(n):
    print("py", n)
    ctypes.CDLL(None).puts(b"c %d" % n)
    subprocess.run(["sh", "-c", "echo sh %d; echo err %d >&2" % (n, n)])

def much(size):
    line = "x" * 1000
    for _ in range(size // 1000):
        print(line)
    print("end")

class Job:
    def run(self, n):
        return n + 1
`

// pool runs a pool of Python workers until the test ends.
func pool(t *testing.T, change func(*Config)) *Pool {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "jobs.py"), []byte(tasks), 0o600))
	worker, err := Python("")
	require.NoError(t, err)
	cfg := Config{
		Worker: worker, Dir: dir, Env: append(os.Environ(), guardEnv+"=1"), Allow: []string{"*"}, Min: 1, Max: 2,
		Guard: []string{os.Args[0]}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Settings: json.RawMessage(`{"mode":"plain"}`),
	}
	if change != nil {
		change(&cfg)
	}
	p, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { _ = p.Run(ctx); close(over) }()
	t.Cleanup(func() { cancel(); <-over })
	return p
}

// heavy is how often something is done: more of it with SENDOFF_HEAVY=1.
func heavy(short, long int) int {
	if os.Getenv("SENDOFF_HEAVY") == "1" {
		return long
	}
	return short
}

func call(target, payload string) *Call {
	return &Call{ID: "id-of-" + target, Name: target, Target: target, Payload: []byte(payload), Attempt: 1, MaxAttempts: 3, Timeout: time.Minute}
}

func TestAWorkerCarriesTasksOut(t *testing.T) {
	p := pool(t, nil)
	for target, c := range map[string]struct{ payload, result string }{
		"jobs.hello": {`{"args":["Ada"]}`, `{"hello":"Ada"}`},
		"jobs:hello": {``, `{"hello":"world"}`},
		"jobs.echo":  {`{"args":[1,2.5],"kwargs":{"k":null}}`, `{"args":[1,2.5],"kwargs":{"k":null}}`},
		"jobs.Job":   {"41", "42"},
	} {
		r := p.Do(t.Context(), call(target, c.payload))
		require.Equal(t, ok, r.how, target)
		require.JSONEq(t, c.result, string(r.result), target)
	}
	for payload, args := range map[string]string{`{"other":1}`: `[{"other":1}]`, `[1]`: `[[1]]`, "\"a\\n\"": `["a\n"]`, "[\n1,\r\n2]": `[[1,2]]`, `{}`: `[{}]`} {
		r := p.Do(t.Context(), call("jobs.echo", payload))
		require.JSONEq(t, fmt.Sprintf(`{"args":%s,"kwargs":{}}`, args), string(r.result), payload)
	}
	r := p.Do(t.Context(), call("jobs.odd", ""))
	require.Equal(t, ok, r.how)
	require.Nil(t, r.result)
	text, _ := r.output.text()
	require.Contains(t, string(text), "is no JSON and is not kept")
}

// TestATaskKnowsWhichAttemptItIs, in a worker and as a command.
func TestATaskKnowsWhichAttemptItIs(t *testing.T) {
	p := pool(t, nil)
	c := call("jobs.known", "")
	c.Name, c.Attempt, c.Token = "known\x00 as", 2, 7
	r := p.Do(t.Context(), c)
	require.JSONEq(t, `["id-of-jobs.known", "known as", "2", "3", "7"]`, string(r.result))
	r = p.Do(t.Context(), call("jobs.known", ""))
	require.JSONEq(t, `["id-of-jobs.known", "jobs.known", "1", "3", "0"]`, string(r.result))
	r = p.Command(t.Context(), c, &Command{Argv: []string{"sh", "-c", "echo $SENDOFF_TASK_ID $SENDOFF_TASK_NAME $SENDOFF_ATTEMPT/$SENDOFF_MAX_ATTEMPTS $SENDOFF_TOKEN"}})
	text, _ := r.output.text()
	require.Equal(t, "id-of-jobs.known known as 2/3 7\n", string(text))
}

// TestATaskTellsHowFarItIs, from any thread.
func TestATaskTellsHowFarItIs(t *testing.T) {
	p := pool(t, nil)
	c := call("jobs.told", "")
	var told []Progress
	c.Progress = func(one Progress) { told = append(told, one) }
	require.Equal(t, ok, p.Do(t.Context(), c).how)
	require.Equal(t, []Progress{{1, 3, "page 1"}, {2, 3, strings.Repeat("x", 500)}, {0, 0, "last"}}, told)
	require.Equal(t, ok, p.Do(t.Context(), call("jobs.told", "")).how, "nobody wants to know")
}

// TestATaskThatTellsIsToldToStop: the cancel never comes in the middle of a frame, which
// would be the end of the worker.
func TestATaskThatTellsIsToldToStop(t *testing.T) {
	p := pool(t, func(c *Config) { c.Max = 1 })
	for range 10 {
		ctx, cancel := context.WithCancelCause(t.Context())
		c, n := call("jobs.tells", ""), 0
		c.Progress = func(Progress) {
			if n++; n == 50 {
				cancel(exec.ErrCanceled)
			}
		}
		r := p.Do(ctx, c)
		require.Equal(t, []any{stopped, stageAsked}, []any{r.how, r.stage})
	}
	require.Len(t, p.Workers(), 1)
	require.Equal(t, 10, p.Workers()[0].Done)
}

func TestAFailureSaysWhatAndWhere(t *testing.T) {
	p := pool(t, nil)
	o := Executor{Pool: p}.outcome(t.Context(), call("", ""), p.Do(t.Context(), call("jobs.fail", "")))
	require.Contains(t, o.Error, "ValueError: it does not work")
	require.Contains(t, o.Error, `jobs.py", line`)
	o = Executor{Pool: p}.outcome(t.Context(), call("", ""), p.Do(t.Context(), call("jobs.never", "")))
	require.Equal(t, "reject", o.Class.String())
	o = Executor{Pool: p}.outcome(t.Context(), call("", ""), p.Do(t.Context(), call("jobs.later", "")))
	require.Equal(t, 7500*time.Millisecond, o.RetryAfter)
	o = Executor{Pool: p}.outcome(t.Context(), call("", ""), p.Do(t.Context(), call("jobs.missing", "")))
	require.Contains(t, o.Error, "AttributeError")
	o = Executor{Pool: p}.outcome(t.Context(), call("", ""), p.Do(t.Context(), call("nowhere.missing", "")))
	require.Contains(t, o.Error, "ModuleNotFoundError")
}

// TestTheDeathOfAWorkerIsSeenAtOnce: the task of it has crashed, and the next one is
// carried out by another.
func TestTheDeathOfAWorkerIsSeenAtOnce(t *testing.T) {
	p := pool(t, nil)
	for how, want := range map[string]string{`"exit"`: "exited with status 3", `"SIGKILL"`: "was killed by SIGKILL", `"SIGSEGV"`: "was killed by SIGSEGV"} {
		r := p.Do(t.Context(), call("jobs.die", how))
		require.Equal(t, crashed, r.how)
		require.Equal(t, want, r.exit.String())
		require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
	}
}

func TestATaskIsToldToStop(t *testing.T) {
	p := pool(t, nil)
	first := p.Do(t.Context(), call("jobs.hello", ""))
	require.Equal(t, ok, first.how)
	pid := p.Workers()[0].PID
	c := call("jobs.sleep", "60")
	c.Timeout = 200 * time.Millisecond
	r := p.Do(t.Context(), c)
	require.Equal(t, []any{stopped, true, stageAsked}, []any{r.how, r.late, r.stage})
	require.Equal(t, pid, p.Workers()[0].PID, "the worker lives on")

	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(200*time.Millisecond, func() { cancel(exec.ErrCanceled) })
	r = p.Do(ctx, call("jobs.sleep", "60"))
	require.Equal(t, []any{stopped, false, stageAsked}, []any{r.how, r.late, r.stage})
	require.Equal(t, "cancel", Executor{Pool: p}.outcome(ctx, c, r).Class.String())
}

// TestWhatDoesNotStopIsEnded: also what it has started.
func TestWhatDoesNotStopIsEnded(t *testing.T) {
	p := pool(t, func(c *Config) { c.Patience = Patience{Asked: 100 * time.Millisecond, Told: 100 * time.Millisecond} })
	c := call("jobs.deaf", "60")
	c.Timeout = 300 * time.Millisecond
	r := p.Do(t.Context(), c)
	require.Equal(t, []any{stopped, true, stageTold}, []any{r.how, r.late, r.stage})
	path := filepath.Join(t.TempDir(), "pids")
	c = call("jobs.stubborn", fmt.Sprintf("%q", path))
	c.Timeout = time.Second
	r = p.Do(t.Context(), c)
	require.Equal(t, []any{stopped, true, stageKilled}, []any{r.how, r.late, r.stage})
	requireGone(t, path)
}

func requireGone(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, field := range bytes.Fields(text) {
		var pid int
		_, err := fmt.Sscan(string(field), &pid)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, time.Millisecond, "process %d lives on", pid)
	}
}

// alive tells whether a process is there and no zombie.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

// TestOutputIsChargedToWhoPrintedIt: from Python, from C, from a child, on both pipes.
func TestOutputIsChargedToWhoPrintedIt(t *testing.T) {
	var mu sync.Mutex
	lines := map[string][]string{}
	p := pool(t, func(c *Config) {
		c.Output = func(l Line) {
			mu.Lock()
			defer mu.Unlock()
			lines[l.Task] = append(lines[l.Task], string(l.Text))
		}
	})
	var calls sync.WaitGroup
	atATime := make(chan struct{}, 100)
	for n := range heavy(40, 10_000) {
		atATime <- struct{}{}
		calls.Go(func() {
			defer func() { <-atATime }()
			c := call("jobs.prints", fmt.Sprint(n))
			c.ID = fmt.Sprint(n)
			r := p.Do(t.Context(), c)
			text, cut := r.output.text()
			for _, by := range []string{"py", "c", "sh", "err"} {
				if !bytes.Contains(text, fmt.Appendf(nil, "%s %d\n", by, n)) {
					t.Errorf("task %d printed %q", n, text)
				}
			}
			if cut || bytes.Count(text, []byte("\n")) != 4 {
				t.Errorf("task %d is charged with %q", n, text)
			}
		})
	}
	calls.Wait()
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, lines["7"], 4)
	require.ElementsMatch(t, []string{"py 7", "c 7", "sh 7", "err 7"}, lines["7"])
}

func TestMuchOutputIsCutAndBlocksNobody(t *testing.T) {
	p := pool(t, nil)
	r := p.Do(t.Context(), call("jobs.much", "50000000"))
	require.Equal(t, ok, r.how)
	text, cut := r.output.text()
	require.True(t, cut)
	require.Len(t, text, tail.Most)
	require.True(t, bytes.HasSuffix(text, []byte("x\nend\n")))
}

func TestWorkersComeAndGo(t *testing.T) {
	p := pool(t, func(c *Config) { c.Min, c.Max, c.Idle = 1, 3, 300*time.Millisecond })
	var calls sync.WaitGroup
	for range 6 {
		calls.Go(func() { p.Do(t.Context(), call("jobs.sleep", "0.5")) })
	}
	require.Eventually(t, func() bool { return len(p.Workers()) == 3 }, 10*time.Second, time.Millisecond)
	calls.Wait()
	require.Eventually(t, func() bool { return len(p.Workers()) == 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, syscall.Kill(p.Workers()[0].PID, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		all := p.Workers()
		return len(all) == 1 && all[0].Number >= 3 && all[0].State == "idle"
	}, 10*time.Second, time.Millisecond)
}

// TestWhatWaitsForAWorkerThatIsBeingStartedIsKept: the call that came first. What no
// worker is being started for is given back.
func TestWhatWaitsForAWorkerThatIsBeingStartedIsKept(t *testing.T) {
	p := pool(t, func(c *Config) {
		c.Worker = append([]string{"sh", "-c", `sleep 0.5; exec "$@"`, "sh"}, c.Worker...)
	})
	go p.Do(context.Background(), call("jobs.sleep", "1.5")) // and the pool may be closed before
	require.Eventually(t, func() bool { return len(p.Workers()) == 1 && p.Workers()[0].State == string(running) }, time.Minute, time.Millisecond)
	var entries []*Entry
	for range 4 {
		c := call("jobs.echo", "1")
		c.Back = true
		entries = append(entries, p.Enter(c))
	}
	ends := make([]ending, len(entries))
	var over sync.WaitGroup
	for i, e := range entries {
		over.Go(func() { ends[i] = e.Run(t.Context()).how })
	}
	over.Wait()
	require.Equal(t, []ending{ok, unstarted, unstarted, unstarted}, ends)
}

func TestWornWorkersAreReplaced(t *testing.T) {
	p := pool(t, func(c *Config) { c.Max, c.Tasks = 1, 3 })
	seen := map[int]int{}
	for range 9 {
		require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
		for _, w := range p.Workers() {
			if w.State != "starting" {
				seen[w.PID]++
			}
		}
	}
	require.GreaterOrEqual(t, len(seen), 3)
}

func TestWorkersThatCannotStartTakeNothing(t *testing.T) {
	p := pool(t, func(c *Config) { c.Worker = []string{"/bin/false"} })
	require.Eventually(t, func() bool { return p.Room() == 0 }, 10*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r := p.Do(ctx, call("jobs.hello", ""))
	require.Equal(t, unstarted, r.how)
	require.True(t, Executor{Pool: p}.outcome(ctx, call("", ""), r).Unstarted)
}

func TestACommandIsStartedForATask(t *testing.T) {
	p := pool(t, func(c *Config) {
		c.Patience.Told = 200 * time.Millisecond
		c.Commands = map[string]Command{}
	})
	run := func(argv ...string) Result {
		c := call("cmd", `{"a":1}`)
		c.Timeout = 500 * time.Millisecond
		return p.Command(t.Context(), c, &Command{Argv: argv})
	}
	r := run("sh", "-c", "cat; echo $1 >&2", "sh", "{id}/{attempt}")
	require.Equal(t, ok, r.how)
	text, _ := r.output.text()
	require.Contains(t, string(text), `{"a":1}`)
	require.Contains(t, string(text), "id-of-cmd/1\n")
	r = run("sh", "-c", "exit 4")
	require.Equal(t, []any{failed, 4}, []any{r.how, r.exit.Code})
	r = run("sh", "-c", "kill -SEGV $$")
	require.Equal(t, "was killed by SIGSEGV", r.exit.String())
	r = run("sh", "-c", "trap '' TERM; sleep 60 & wait; sleep 60")
	require.Equal(t, []any{stopped, stageKilled, true}, []any{r.how, r.stage, r.late})
	r = run("/nowhere/at/all")
	require.Equal(t, failed, r.how)
	require.Contains(t, r.err.Message, "no such file")
}

// TestAWorkerCanBeInAnyLanguage: those of the examples.
func TestAWorkerCanBeInAnyLanguage(t *testing.T) {
	dir := t.TempDir()
	worker := filepath.Join(dir, "worker")
	build := osexec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", worker, "../../../examples/worker")
	text, err := build.CombinedOutput()
	require.NoError(t, err, string(text))
	shell, err := filepath.Abs("../../../examples/worker/worker.sh")
	require.NoError(t, err)
	p := pool(t, func(c *Config) { c.Worker = []string{worker} })
	r := p.Do(t.Context(), call("text.upper", `"hello"`))
	require.Equal(t, []any{ok, `"HELLO"`}, []any{r.how, string(r.result)})
	printed, _ := r.output.text()
	require.Equal(t, "upper hello\n", string(printed))
	r = p.Do(t.Context(), call("text.upper", `1`))
	require.True(t, r.err.Permanent)

	p = pool(t, func(c *Config) {
		c.Worker, c.Patience = []string{"sh", shell}, Patience{Asked: 50 * time.Millisecond, Told: 50 * time.Millisecond}
	})
	r = p.Do(t.Context(), call("any", ""))
	require.Equal(t, []any{ok, `"done by sh"`}, []any{r.how, string(r.result)})
}
