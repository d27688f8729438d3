package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	serverEnv = "SENDOFF_TEST_SERVER"
	forkEnv   = "SENDOFF_TEST_FORK" // its workers are forked
)

// serve is a server with one worker, whose task starts processes: one in its group, and
// one that has left it. It tells the pid of its guardian.
func serve(dir string) error {
	worker, err := Python("")
	if err != nil {
		return err
	}
	p, err := New(Config{
		Worker: worker, Dir: dir, Env: append(os.Environ(), guardEnv+"=1"), Allow: []string{"*"}, Guard: []string{os.Args[0]}, Max: 1,
		Fork: os.Getenv(forkEnv) != "",
	})
	if err != nil {
		return err
	}
	go func() { _ = p.Run(context.Background()) }()
	<-p.open
	fmt.Println(p.spawner.(*guarded).g.pid)
	p.Do(context.Background(), call("jobs.tree", fmt.Sprintf("%q", filepath.Join(dir, "pids"))))
	return nil
}

// TestNothingOutlivesTheServer: whoever of server and guardian is killed, all that has
// been started goes, whatever it has done to get away.
func TestNothingOutlivesTheServer(t *testing.T) {
	for what, victims := range map[string]func(server, guardian int) []int{
		"the server":               func(server, _ int) []int { return []int{server} },
		"the guardian":             func(_, guardian int) []int { return []int{guardian} },
		"both":                     func(server, guardian int) []int { return []int{server, guardian} },
		"both, the guardian first": func(server, guardian int) []int { return []int{guardian, server} },
	} {
		for _, fork := range []string{"", "forked"} {
			t.Run(what+" "+fork, func(t *testing.T) {
				t.Setenv(forkEnv, fork)
				for range heavy(1, 25) {
					nothingOutlives(t, victims)
				}
			})
		}
	}
}

func nothingOutlives(t *testing.T, victims func(server, guardian int) []int) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "jobs.py"), []byte(tasks), 0o600))
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var guardian int
	first, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscan(first, &guardian)
	require.NoError(t, err)
	path := filepath.Join(dir, "pids")
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(path)
		return len(strings.Fields(string(text))) == 3
	}, time.Minute, time.Millisecond)
	for _, pid := range victims(cmd.Process.Pid, guardian) {
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	requireGone(t, path)
	require.Eventually(t, func() bool { return !alive(guardian) }, 10*time.Second, time.Millisecond)
}

// TestAGuardianThatIsGoneIsReplaced: its workers crash, and there are others.
func TestAGuardianThatIsGoneIsReplaced(t *testing.T) {
	p := pool(t, nil)
	require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
	s := p.spawner.(*guarded)
	s.mu.Lock()
	g := s.g
	s.mu.Unlock()
	time.AfterFunc(300*time.Millisecond, func() { _ = syscall.Kill(g.pid, syscall.SIGKILL) })
	require.Equal(t, crashed, p.Do(t.Context(), call("jobs.sleep", "60")).how)
	require.Equal(t, ok, p.Do(t.Context(), call("jobs.hello", "")).how)
}

// TestTheWatchIsReplaced, so that it is there when it is needed.
func TestTheWatchIsReplaced(t *testing.T) {
	p := pool(t, nil)
	<-p.open
	g := p.spawner.(*guarded).g
	watches := func() (pids []int) {
		for _, pid := range marked(g.mark) {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if strings.HasSuffix(string(line), "\x00"+watchArg+"\x00") {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	require.Eventually(t, func() bool { return len(watches()) == 1 }, 10*time.Second, time.Millisecond)
	first := watches()[0]
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	require.Eventually(t, func() bool { w := watches(); return len(w) == 1 && w[0] != first }, 10*time.Second, time.Millisecond)
}
