package process

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

var errNotAsked = errors.New("not asked for")

// TestWhatUsesTooMuchMemoryIsEnded, a worker or what it has started, and others are not.
func TestWhatUsesTooMuchMemoryIsEnded(t *testing.T) {
	for name, cells := range map[string]func() (*cells, error){
		"by the system, in a cgroup": newCells,
		"by the pool, which looks":   func() (*cells, error) { return nil, errNotAsked },
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := cells(); err != nil && !errors.Is(err, errNotAsked) {
				t.Skip("no cgroup is delegated to this process:", err)
			}
			p := pool(t, func(c *Config) { c.Limit, c.cells = 200<<20, cells })
			require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
			for _, args := range []string{`{"args":[400,false]}`, `{"args":[400,true]}`} {
				r := p.Do(t.Context(), call("jobs.hog", args))
				require.Equal(t, crashed, r.how)
				require.True(t, r.exit.OOM, r.exit)
				o := Executor{Pool: p}.outcome(t.Context(), call("", ""), r)
				require.Equal(t, []any{task.Crash, task.CauseMemory}, []any{o.Class, o.Cause})
				require.Contains(t, o.Error, "out of memory")
			}
			require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
		})
	}
}

// TestTheSystemsWantOfMemoryIsToldApart from other ends by SIGKILL, by the count of those
// that the system has ended.
func TestTheSystemsWantOfMemoryIsToldApart(t *testing.T) {
	events := filepath.Join(t.TempDir(), "memory.events")
	count := func(text string) { require.NoError(t, os.WriteFile(events, []byte(text), 0o600)) }
	count("low 0\noom 2\noom_kill 2\noom_group_kill 0\n")
	p := pool(t, func(c *Config) { c.oomFile = events })
	killed := func() string {
		require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
		return p.Do(t.Context(), call("jobs.die", `"SIGKILL"`)).exit.String()
	}
	require.Equal(t, "was killed by SIGKILL", killed())
	count("oom_kill 3\n")
	require.Equal(t, "was ended by the system: out of memory", killed())
	require.Equal(t, "was killed by SIGKILL", killed())
}

// TestAProcessStartsInItsCgroup, and so does what it starts; removing that ends all of it,
// also what has left the group and the session.
func TestAProcessStartsInItsCgroup(t *testing.T) {
	own, err := ownCgroup()
	if err != nil {
		t.Skip(err)
	}
	one, err := newCell(filepath.Join(own, filepath.Base(t.TempDir())+"-sendoff-test"))
	if err != nil {
		t.Skip("this process can make no cgroup:", err)
	}
	defer one.remove()
	s, err := newGuarded([]string{os.Args[0]}, append(os.Environ(), guardEnv+"=1"))
	require.NoError(t, err)
	defer s.close()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	argv := []string{"sh", "-c", "cat /proc/self/cgroup; setsid sleep 300 & echo $!; exit 0"}
	_, ended, err := s.start(&program{Argv: argv, Cell: 3, files: []*os.File{null, w, null, one.dir}})
	require.NoError(t, err)
	w.Close()
	lines := bufio.NewScanner(r)
	var cgroup, child string
	for lines.Scan() {
		if path, ok := strings.CutPrefix(lines.Text(), "0::"); ok {
			cgroup = path
		}
		child = lines.Text()
		if _, err := strconv.Atoi(child); err == nil {
			break
		}
	}
	require.Equal(t, filepath.Base(one.path), filepath.Base(cgroup))
	require.Equal(t, exit{}, <-ended)
	one.remove()
	_, err = os.Stat(one.path)
	require.ErrorIs(t, err, os.ErrNotExist)
	pid, _ := strconv.Atoi(child)
	require.False(t, alive(pid))
}
