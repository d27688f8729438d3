//go:build unix

package graphpy

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// pythons are the interpreters to test with: the usual one, or those that
// SENDOFF_TEST_PYTHONS lists, separated by colons.
func pythons(t *testing.T) []string {
	t.Helper()
	if list := os.Getenv("SENDOFF_TEST_PYTHONS"); list != "" {
		return strings.Split(list, ":")
	}
	path, err := (&Config{}).interpreter()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return []string{path}
}

func host(t *testing.T, cfg Config) *Host {
	t.Helper()
	h, err := NewHost(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

// execute runs Python with arguments and returns how it ended and what it printed.
func execute(t *testing.T, h *Host, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), pythons(t)[0], args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	code, err := h.Exec(t.Context(), cmd)
	require.NoError(t, err)
	return code, out.String()
}

// The facts are in Python, where they are about.
func TestFacts(t *testing.T) {
	for _, python := range pythons(t) {
		for _, name := range []string{"facts.py", "edges.py"} {
			t.Run(python+" "+name, func(t *testing.T) {
				t.Parallel()
				var out bytes.Buffer
				cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "scripts", name))
				cmd.Stdout, cmd.Stderr = &out, &out
				code, err := host(t, Config{}).Exec(t.Context(), cmd)
				require.NoError(t, err)
				require.Zero(t, code, "%s", out.String())
				require.Contains(t, out.String(), " facts\n")
			})
		}
	}
}

func TestTheExampleSaysWhatTheRealOneSays(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(filepath.Join("testdata", "movie.lines"))
	require.NoError(t, err)
	h := host(t, Config{})
	code, out := execute(t, h, filepath.Join("..", "..", "examples", "dojobber", "movie.py"), "--verbose")
	require.Equal(t, 1, code)
	require.True(t, strings.HasPrefix(out, string(want)), "%s", out)
	require.Equal(t, 1, h.Graphs())
}

func TestTheModuleSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), pythons(t)[0], "-c", "import dojobber")
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PYTHONPATH=") && !strings.HasPrefix(e, "SENDOFF_GRAPH=") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "PYTHONPATH=python")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "ImportError: this dojobber belongs to Sendoff")
	require.Contains(t, string(out), "sendoff graph exec -- python3 SCRIPT")
}

func TestExecEndsAsTheCommandDoes(t *testing.T) {
	t.Parallel()
	h := host(t, Config{})
	code, _ := execute(t, h, "-c", "raise SystemExit(7)")
	require.Equal(t, 7, code)
	code, _ = execute(t, h, "-c", "import os; os.kill(os.getpid(), 9)")
	require.Equal(t, 128+9, code)
	_, err := h.Exec(t.Context(), exec.CommandContext(t.Context(), "/nonexistent"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Zero(t, h.Graphs())
}

// interrupts is a script whose job waits for an interrupt and says what becomes of it.
const interrupts = `
import signal, threading
from dojobber import *
signal.signal(signal.SIGINT, signal.default_int_handler) # where the tests run it may be ignored

class Waits(Job):
    def Check(self):
        raise RuntimeError
    def Run(self):
        try:
            print('waiting', flush=True)
            while not threading.Event().wait(0.1): # an interrupt at its begin does not end a wait
                pass
        finally:
            print('woken')
    def Cleanup(self):
        print('cleaned')

d = DoJobber()
d.configure(Waits)
try:
    d.checknrun()
except KeyboardInterrupt:
    print('interrupted', d.nodestatus)
    raise SystemExit(4)
`

func TestTheEndOfExecInterruptsRuns(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	out := &waiter{text: "waiting\n", then: end}
	cmd := exec.CommandContext(t.Context(), pythons(t)[0], "-c", interrupts)
	cmd.Stdout, cmd.Stderr = out, out
	code, err := host(t, Config{}).Exec(ctx, cmd)
	require.NoError(t, err)
	require.Equal(t, "waiting\nwoken\ncleaned\ninterrupted {'Waits': None}\n", out.String())
	require.Equal(t, 4, code)
}

// Ctrl-C at a terminal reaches the script and this process; the script may be
// interrupted twice for it.
func TestAnInterruptThatComesTwiceIsOne(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	cmd := exec.CommandContext(t.Context(), pythons(t)[0], "-c", interrupts)
	out := &waiter{text: "waiting\n", then: func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		end()
	}}
	cmd.Stdout, cmd.Stderr = out, out
	code, err := host(t, Config{}).Exec(ctx, cmd)
	require.NoError(t, err)
	require.Equal(t, "waiting\nwoken\ncleaned\ninterrupted {'Waits': None}\n", out.String())
	require.Equal(t, 4, code)
}

func TestTheEndOfExecTellsACommandWithoutRuns(t *testing.T) {
	t.Parallel()
	ctx, end := context.WithCancel(t.Context())
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "trap 'echo told; exit 5' TERM; echo waiting; read never")
	in, ours, err := os.Pipe()
	require.NoError(t, err)
	defer in.Close()
	defer ours.Close()
	out := &waiter{text: "waiting\n", then: end}
	cmd.Stdin, cmd.Stdout = in, out
	code, err := host(t, Config{}).Exec(ctx, cmd)
	require.NoError(t, err)
	require.Equal(t, "waiting\ntold\n", out.String())
	require.Equal(t, 5, code)
}

// waiter is a writer that calls then once it has seen a text.
type waiter struct {
	out  bytes.Buffer
	text string
	then func()
}

func (w *waiter) String() string { return w.out.String() }

func (w *waiter) Write(b []byte) (int, error) {
	n, err := w.out.Write(b)
	if w.then != nil && strings.Contains(w.String(), w.text) {
		w.then()
		w.then = nil
	}
	return n, err
}

// What runs the graphs of scripts sees their settings, and has the last word.
func TestRunIsGivenTheGraphsOfScripts(t *testing.T) {
	t.Parallel()
	var cfg jobgraph.Config
	var names []string
	h := host(t, Config{Run: func(ctx context.Context, g *jobgraph.Graph, asked jobgraph.Config) (*jobgraph.Result, error) {
		cfg = asked
		for _, j := range g.Jobs() {
			names = append(names, j.Name)
		}
		return g.Run(ctx, asked)
	}})
	code, out := execute(t, h, "-c", `
from dojobber import *
below = type('Below', (DummyJob,), {'TRIES': 7, 'RETRY_DELAY': 0.25})
d = DoJobber()
d.configure(type('Top', (DummyJob,), {'DEPS': [below]}), no_act=True, cleanup=False, default_tries=5, default_retry_delay=1.5)
d.checknrun(below)
assert d.success()
`)
	require.Zero(t, code, out)
	require.Equal(t, []string{"Below", "Top"}, names)
	require.Equal(t, []string{"Below"}, cfg.Only)
	require.Equal(t, 5, cfg.Tries)
	require.Equal(t, 1500*time.Millisecond, *cfg.RetryDelay)
	require.True(t, cfg.NoAct)
	require.True(t, cfg.NoCleanup)
}

func TestPicturesAreDrawnWhereTheyCanBe(t *testing.T) {
	t.Parallel()
	draw := func(g *jobgraph.Graph, r *jobgraph.Result, format string) ([]byte, error) {
		if r != nil {
			format += " of " + r.Goal
		}
		return append([]byte(format), 0xff, '\n'), nil
	}
	text := `
import io, sys
from dojobber import *
d = DoJobber()
d.configure(type('J', (DummyJob,), {}))
seen = io.BytesIO()
d.write_graph(seen)
d.checknrun()
d.write_graph(seen, 'dot')
assert seen.getvalue() == b'png\xff\ndot of J\xff\n', seen.getvalue()
d.write_graph(sys.stdout, fmt='svg')
`
	code, out := execute(t, host(t, Config{Draw: draw}), "-c", text)
	require.Zero(t, code, out)
	require.Equal(t, "svg of J\xff\n", out)
	code, out = execute(t, host(t, Config{}), "-c", text)
	require.Equal(t, 1, code)
	require.Contains(t, out, "RuntimeError: pictures are not drawn here")
}
