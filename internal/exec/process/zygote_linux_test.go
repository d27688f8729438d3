package process

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// heavyPy takes its time to be imported, and notes that it was.
const heavyPy = `
import os, threading, time
time.sleep(%s)
with open("imported", "a") as f:
    f.write("%%d\n" %% os.getpid())

def parents():
    return [os.getpid(), os.getppid(), os.getpgid(0)]
`

// forking is a pool whose workers are forked, with a module that all of them need.
func forking(t *testing.T, seconds string, change func(*Config)) (*Pool, func() []string) {
	dir := t.TempDir()
	for name, text := range map[string]string{"jobs.py": tasks, "heavy.py": fmt.Sprintf(heavyPy, seconds)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	p := pool(t, func(c *Config) {
		c.Dir, c.Fork, c.Settings = dir, true, json.RawMessage(`{"mode":"plain","preload":["heavy"]}`)
		if change != nil {
			change(c)
		}
	})
	return p, func() []string {
		text, _ := os.ReadFile(filepath.Join(dir, "imported"))
		return strings.Fields(string(text))
	}
}

// TestWorkersAreForked from one process that has imported what they need: once, whatever
// becomes of them. They are children of the guardian, so their ends are seen as those of
// any other.
func TestWorkersAreForked(t *testing.T) {
	p, imported := forking(t, "0", nil)
	var got [3]int
	r := p.Do(t.Context(), call("heavy.parents", ""))
	require.Equal(t, ok, r.how)
	require.NoError(t, json.Unmarshal(r.result, &got))
	guardian := p.spawner.(*guarded).g.pid
	require.Equal(t, [3]int{got[0], guardian, got[0]}, got, "pid, parent, group")
	for how, want := range map[string]string{`"exit"`: "exited with status 3", `"SIGKILL"`: "was killed by SIGKILL"} {
		r := p.Do(t.Context(), call("jobs.die", how))
		require.Equal(t, []any{crashed, want}, []any{r.how, r.exit.String()})
	}
	r = p.Do(t.Context(), call("jobs.prints", "1"))
	text, _ := r.output.text()
	require.Equal(t, 4, strings.Count(string(text), "\n"), string(text))
	require.Len(t, imported(), 1)
}

// TestWhatForksWorkersIsReplaced when it is gone, and its workers have nothing to do with
// that.
func TestWhatForksWorkersIsReplaced(t *testing.T) {
	p, imported := forking(t, "0", func(c *Config) { c.Max = 1 })
	require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
	p.zygote.mu.Lock()
	first := p.zygote.w
	p.zygote.mu.Unlock()
	require.NoError(t, syscall.Kill(first.pid, syscall.SIGKILL))
	<-first.gone
	require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
	require.Equal(t, crashed, p.Do(t.Context(), call("jobs.die", `"exit"`)).how)
	require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
	require.Len(t, imported(), 2)
}

// TestWhatCannotBeImportedIsSaid, and nothing is taken while it is so.
func TestWhatCannotBeImportedIsSaid(t *testing.T) {
	printed := make(chan string, 100)
	p, _ := forking(t, "nothing", func(c *Config) { c.Output = func(l Line) { printed <- string(l.Text) } })
	require.Eventually(t, func() bool { return p.Room() == 0 }, 10*time.Second, time.Millisecond)
	for text := ""; !strings.Contains(text, "NameError"); {
		text = <-printed
	}
}

// TestAForkedWorkerIsKeptWithinItsMemory as any other.
func TestAForkedWorkerIsKeptWithinItsMemory(t *testing.T) {
	p, _ := forking(t, "0", func(c *Config) { c.Limit = 200 << 20 })
	r := p.Do(t.Context(), call("jobs.hog", `{"args":[400,false]}`))
	require.True(t, r.exit.OOM, r.exit)
	require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
}
