package engine_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// poisonPy has a task that does its work, and those that do what they can to keep others
// from theirs. A good one notes that it has begun.
const poisonPy = `
import ctypes, os, signal, sys, time

BEGUN = os.open("begun", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

def good(n):
    os.write(BEGUN, b"%d\n" % n)
    return n

def leave():
    os._exit(137)

def segfault():
    ctypes.string_at(0)

def hang():
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(sig, signal.SIG_IGN)
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass

def flood(size):
    block = b"x" * 65536
    for _ in range(size // len(block)):
        os.write(1, block)
    print("end")

def nul():
    print("a\0b")
    raise ValueError("a\0b \udcff")

def takes(payload):
    pass

def deep():
    found = []
    for _ in range(100_000):
        found = [found]
    return found

def noise():
    os.write(3, b"this is no frame\n")
    time.sleep(600)
`

// poison is a task that is no good, and how it has to end.
type poison struct {
	task engine.Task
	ends string // its state and the reason
	says string // a part of its last error
}

func poisons(flood int) []poison {
	retry := task.RetryPolicy{MinBackoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond}
	once := task.RetryPolicy{MaxAttempts: 1}
	tooDeep := json.RawMessage(strings.Repeat("[", 5000) + strings.Repeat("]", 5000))
	return []poison{
		{engine.Task{Process: "app.leave", Retry: retry}, "failed poison", "exited with status 137"},
		{engine.Task{Process: "app.segfault", Retry: retry}, "failed poison", "killed by SIGSEGV"},
		{engine.Task{Process: "app.hang", Retry: once, Timeout: time.Second}, "failed exhausted", "timeout after 1s (killed)"},
		{engine.Task{Process: "app.flood", Payload: flood}, "succeeded ", ""},
		{engine.Task{Process: "app.nul", Retry: once}, "failed exhausted", "ValueError: a\uFFFDb"},
		{engine.Task{Process: "app.takes", Payload: tooDeep, Retry: once}, "failed exhausted", "RecursionError"},
		{engine.Task{Process: "app.deep", Retry: once}, "succeeded ", ""},
		{engine.Task{Process: "app.noise", Retry: once}, "failed exhausted", "it wrote what is no frame"},
	}
}

// TestPoisonHoldsNobodyUp: among good tasks are some that crash, hang, flood and write
// what nobody can read. Each ends as it should; all good ones are done, once, and begin in
// their turn: none is overtaken by more than the pool takes in at a time. What waits in it
// for long is handed back, and taken in again.
func TestPoisonHoldsNobodyUp(t *testing.T) {
	if testing.Short() {
		t.Skip("hangs and floods for seconds: not with -short")
	}
	const window = 512 // beyond the workers
	good, bad, flood, workers := 1500, 16, 64<<20, 4
	if os.Getenv("SENDOFF_HEAVY") == "1" {
		good, bad, flood, workers = 10_000, 1_000, 1<<30, 8
	}
	ps := processes(t, poisonPy)
	ps.Max, ps.Asked, ps.Told = workers, 100*time.Millisecond, 100*time.Millisecond
	b := open(t, engine.Config{Processes: ps})
	ids, bads := submitPoisoned(t, b, good, bad, poisons(flood))
	began := time.Now()
	b.run(t)
	defer b.stop()
	waits := make([]time.Duration, 0, good)
	for i, id := range ids {
		got, err := b.Tasks().Wait(t.Context(), id, time.Hour)
		require.NoError(t, err)
		ends := fmt.Sprintf("%s %s", got.State, got.Reason)
		if p, ok := bads[i]; ok {
			require.Equal(t, p.ends, ends, "%s: %s", got.Process, got.LastError)
			require.Contains(t, got.LastError, p.says)
			continue
		}
		require.Equal(t, []any{"succeeded ", 1}, []any{ends, got.Attempts})
		waits = append(waits, got.StartedAt.Sub(began))
	}
	took := time.Since(began)
	most := overtaken(t, filepath.Join(ps.Dir, "begun"), good)
	slices.Sort(waits)
	t.Logf("%d good and %d poison tasks on %d workers in %v; half of the good ones had begun after %v, all after %v; none was overtaken by more than %d",
		good, bad, workers, took.Round(time.Millisecond), waits[good/2].Round(time.Millisecond), waits[good-1].Round(time.Millisecond), most)
	require.LessOrEqual(t, most, workers+window, "good tasks that began before another that was ahead of them")
}

// submitPoisoned submits all of them, the poison spread evenly, which it returns by their places.
func submitPoisoned(t *testing.T, b *bundle, good, bad int, kinds []poison) (ids []string, bads map[int]poison) {
	var all []engine.Task
	bads = map[int]poison{}
	every := good / bad
	for n := range good {
		all = append(all, engine.Task{Process: "app.good", Payload: n})
		if n%every == 0 && n/every < bad {
			p := kinds[n/every%len(kinds)]
			bads[len(all)] = p
			all = append(all, p.task)
		}
	}
	for part := range slices.Chunk(all, 500) {
		results, err := b.SubmitMany(t.Context(), part, true)
		require.NoError(t, err)
		for _, r := range results {
			require.NoError(t, r.Err)
			ids = append(ids, r.ID)
		}
	}
	return ids, bads
}

// overtaken reads in which order the good tasks have begun, each once, and returns how
// many began before one that had come before them, at most.
func overtaken(t *testing.T, path string, good int) (most int) {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	seen, next, ahead := make([]bool, good), 0, 0
	for line := range bytes.Lines(text) {
		var n int
		_, err := fmt.Sscan(string(line), &n)
		require.NoError(t, err)
		require.False(t, seen[n], "task %d has begun twice", n)
		seen[n] = true
		ahead++
		for next < good && seen[next] {
			next, ahead = next+1, ahead-1
		}
		most = max(most, ahead)
	}
	require.Equal(t, good, next, "good tasks that have begun")
	return most
}
