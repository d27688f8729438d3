//go:build unix

package graphpy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// load loads the class Root of a file with a text.
func load(t *testing.T, cfg Config, text string) *Program {
	t.Helper()
	pythons(t)
	p, err := Load(t.Context(), cfg, write(t, text)+":Root")
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.py")
	require.NoError(t, os.WriteFile(path, []byte("from dojobber import *\n"+text), 0o600))
	return path
}

func run(t *testing.T, p *Program, cfg jobgraph.Config) *jobgraph.Result {
	t.Helper()
	ctx, end := p.Context(t.Context())
	defer end()
	if cfg.RetryDelay == nil {
		cfg.RetryDelay = new(time.Duration)
	}
	res, err := jobgraph.Run(ctx, p.Goal, cfg)
	require.NoError(t, err)
	return res
}

func TestLoadRunsTheExample(t *testing.T) {
	t.Parallel()
	pythons(t)
	want, err := os.ReadFile(filepath.Join("testdata", "movie.lines"))
	require.NoError(t, err)
	p, err := Load(t.Context(), Config{Inputs: map[string]any{"battery": "dead"}}, filepath.Join("..", "..", "examples", "dojobber", "movie.py")+":WatchMovie")
	require.NoError(t, err)
	var lines bytes.Buffer
	res := run(t, p, jobgraph.Config{Observe: jobgraph.Lines(&lines, false)})
	require.NoError(t, p.Close())
	require.Equal(t, string(want), lines.String())
	require.Equal(t, 12, res.Passes)
	require.False(t, res.Reached)
	require.Equal(t, jobgraph.DarkGreen, res.Job("PopcornBowl").Color())
	require.Equal(t, 8, res.Job("PopcornBowl").Attempts)
	require.Equal(t, jobgraph.Blocked, res.Job("WatchMovie").State)
	var failure *Error
	require.ErrorAs(t, res.Job("TurnOnTV").Err, &failure)
	require.Equal(t, "RuntimeError", failure.ErrorType())
	require.Equal(t, "Remote batteries are dead.", failure.Error())
	require.Contains(t, failure.Trace(), "raise RuntimeError('Remote batteries are dead.')")
	require.Len(t, res.Cleanups, 1)
}

func TestResultsAndArguments(t *testing.T) {
	t.Parallel()
	p := load(t, Config{Args: []any{"one", 2.0}, Inputs: map[string]any{"who": "me"}}, `
class Text(RunonlyJob):
    def Run(self, *args, **kwargs):
        return [args, kwargs]
class Root(RunonlyJob):
    DEPS = [Text]
    def Run(self, *args, **kwargs):
        return {object: float('nan')}
`)
	res := run(t, p, jobgraph.Config{})
	require.JSONEq(t, `[["one", 2.0], {"who": "me"}]`, string(res.Job("Text").Value.(json.RawMessage)))
	require.JSONEq(t, `"{<class 'object'>: nan}"`, string(res.Job("Root").Value.(json.RawMessage)))
}

func TestWhatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	pythons(t)
	for name, tt := range map[string]struct{ text, goal, kind, message string }{
		"mistake":    {text: "class Root(", goal: "Root", kind: "SyntaxError", message: "never closed"},
		"import":     {text: "import no_such_module", goal: "Root", kind: "ModuleNotFoundError", message: "no_such_module"},
		"exit":       {text: "raise SystemExit('no')", goal: "Root", kind: "SystemExit", message: "no"},
		"no class":   {text: "class Base(Job): pass\nclass A(Base): pass\nclass B(Base): DEPS = [A]", goal: "C", kind: "AttributeError", message: "has no class C: want one of B"},
		"none named": {text: "class B(Job): pass", goal: "", kind: "AttributeError", message: "with one of B"},
		"no job":     {text: "Root = 5", goal: "Root", kind: "TypeError", message: "the root is 5: want a class"},
		"tries":      {text: "class Root(Job): TRIES = 0", goal: "Root", kind: "RuntimeError", message: `TRIES "0" must be >= 1.`},
		"lost":       {text: "import os; os._exit(3)", goal: "Root", kind: "ProcessLost", message: "exit status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(t.Context(), Config{}, write(t, tt.text)+":"+tt.goal)
			var failure *Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, tt.kind, failure.Type)
			require.Contains(t, failure.Message, tt.message)
		})
	}
	_, err := Load(t.Context(), Config{}, "nowhere.py:Root")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Load(t.Context(), Config{Python: "no-such-python"}, write(t, "")+":Root")
	require.ErrorContains(t, err, "want CPython 3.8 or later")
}

func TestLoadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	pythons(t)
	ctx, end := context.WithCancel(t.Context())
	out := &waiter{text: "reading\n", then: end}
	_, err := Load(ctx, Config{Output: out}, write(t, "print('reading', flush=True)\nimport threading; threading.Event().wait(60)")+":Root")
	require.ErrorIs(t, err, context.Canceled)
}

// What is printed belongs to the attempt that was at work: by print, by a child, on
// stdout and on stderr, with and without a line's end.
func TestWhatJobsPrint(t *testing.T) {
	t.Parallel()
	var usual bytes.Buffer
	logs := map[string]*bytes.Buffer{}
	p := load(t, Config{Output: &usual}, `
import os, sys
print('while it is read')
class Below(Job):
    def Check(self):
        print(type(self).__name__, self._check_phase)
        if self._check_phase == 'check':
            raise RuntimeError
    def Run(self):
        os.system('echo a child; echo on stderr >&2')
        sys.stderr.write('no end')
    def Cleanup(self):
        print(' cleaned')
class Root(Below):
    DEPS = [Below]
`)
	var mu sync.Mutex
	run(t, p, jobgraph.Config{Output: func(job string, _ int) io.Writer {
		mu.Lock()
		defer mu.Unlock()
		logs[job] = &bytes.Buffer{}
		return logs[job]
	}})
	require.NoError(t, p.Close())
	want := " check\na child\non stderr\nno end"
	require.Equal(t, "Below"+want+"Below recheck\n cleaned\n", logs["Below"].String())
	require.Equal(t, "Root"+want+"Root recheck\n cleaned\n", logs["Root"].String())
	require.Equal(t, "while it is read\n", usual.String())
}

// A process that is lost ends the run: no attempt is made without the objects.
func TestAProcessThatIsLost(t *testing.T) {
	t.Parallel()
	p := load(t, Config{}, `
import os
class Below(RunonlyJob):
    def Run(self): pass
    def Cleanup(self): pass
class Leaves(RunonlyJob):
    DEPS = [Below]
    def Run(self):
        os._exit(3)
class Root(DummyJob):
    DEPS = [Leaves]
`)
	res := run(t, p, jobgraph.Config{})
	require.Equal(t, jobgraph.Succeeded, res.Job("Below").State)
	require.Equal(t, jobgraph.Canceled, res.Job("Leaves").State)
	require.Equal(t, 1, res.Job("Leaves").Attempts)
	require.ErrorIs(t, res.Job("Leaves").Err, lost{})
	require.Equal(t, jobgraph.Canceled, res.Job("Root").State)
	require.Len(t, res.Cleanups, 1)
	require.ErrorIs(t, res.Cleanups[0].Err, lost{})
	require.ErrorContains(t, p.Close(), "exit status 3")
}

func TestAContextEndsACallAndItsRun(t *testing.T) {
	t.Parallel()
	p := load(t, Config{}, `
import threading
class Root(Job):
    def Check(self):
        raise RuntimeError
    def Run(self):
        print('waiting', flush=True)
        threading.Event().wait(60)
    def Cleanup(self):
        print('cleaned')
`)
	ctx, end := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	out := &waiter{text: "waiting\n", then: func() { end(stopped) }}
	running, done := p.Context(ctx)
	defer done()
	res, err := jobgraph.Run(running, p.Goal, jobgraph.Config{Output: func(string, int) io.Writer { return out }})
	require.NoError(t, err)
	require.Equal(t, jobgraph.Canceled, res.Job("Root").State)
	require.Equal(t, "waiting\ncleaned\n", out.String())
	require.NoError(t, p.Close())
}

// With threads, jobs that need each other to go on meet, and the calls of an attempt
// are made by one thread.
func TestThreads(t *testing.T) {
	t.Parallel()
	p := load(t, Config{Parallel: 3}, `
import threading
meet = threading.Barrier(3, timeout=60)
class Meets(Job):
    def Check(self):
        if self._check_phase == 'check':
            self.thread = threading.get_ident()
            meet.wait()
            raise RuntimeError
        assert self.thread == threading.get_ident() != threading.main_thread().ident
    def Run(self):
        assert self.thread == threading.get_ident()
        meet.wait()
class Root(DummyJob):
    DEPS = [type('Meets %d' % n, (Meets,), {'TRIES': 1}) for n in range(3)]
`)
	res := run(t, p, jobgraph.Config{Parallel: 3})
	require.NoError(t, res.Err())
	require.NoError(t, p.Close())
}

func TestModulesBesideTheFile(t *testing.T) {
	t.Parallel()
	path := write(t, `
import sys
import beside, dojobber
assert sys.argv == [__file__], sys.argv
assert __name__ == 'jobs' and sys.modules['jobs'].Job is Job
Root = beside.Root
`)
	dir := filepath.Dir(path)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "beside.py"), []byte("from dojobber import DummyJob\nclass Root(DummyJob): pass\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dojobber.py"), []byte("raise ImportError('another one')\n"), 0o600))
	pythons(t)
	p, err := Load(t.Context(), Config{}, path+":Root")
	require.NoError(t, err)
	require.True(t, run(t, p, jobgraph.Config{}).Reached)
	require.NoError(t, p.Close())
}
