//go:build linux

package compat_test

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

var built struct {
	sync.Once
	dir, path string
	err       error
}

// sendoff builds the binary as it is released, once. SENDOFF_BIN names one
// that is built already.
func sendoff(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs real processes: not with -short")
	}
	if path := os.Getenv("SENDOFF_BIN"); path != "" {
		return path
	}
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "sendoff-compat-"); built.err != nil {
			return
		}
		built.path = filepath.Join(built.dir, "sendoff")
		cmd := exec.Command("go", "build", "-trimpath", "-o", built.path, "../cmd/sendoff")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("build the binary: %w\n%s", err, out)
		}
	})
	require.NoError(t, built.err)
	return built.path
}

// sdk is an environment that scripts/setup-python has made, and the directory of
// the apps that run in it.
type sdk struct {
	dir, apps string
}

// environment returns one of them: py08 or py07.
func environment(t *testing.T, name string) sdk {
	t.Helper()
	if testing.Short() {
		t.Skip("runs real processes: not with -short")
	}
	apps, err := filepath.Abs(filepath.Join("testdata", name))
	require.NoError(t, err)
	requirements, err := os.ReadFile(filepath.Join(apps, "requirements.txt"))
	require.NoError(t, err)
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	dir := filepath.Join(cache, "sendoff-test", fmt.Sprintf("%s-%.6x", name, sha256.Sum256(requirements)))
	if _, err := os.Stat(filepath.Join(dir, "complete")); err != nil {
		missing(t, "the environment "+name+" is not there: scripts/setup-python makes it")
	}
	return sdk{dir: dir, apps: apps}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// process is a program that is started, killed and started again.
type process struct {
	t     *testing.T
	name  string
	log   *os.File
	cmd   *exec.Cmd
	ended chan struct{}
}

func newProcess(t *testing.T, name string) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	require.NoError(t, err)
	p := &process{t: t, name: name, log: log}
	t.Cleanup(func() {
		p.kill()
		log.Close()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, tail(log.Name(), 5000))
		}
	})
	return p
}

func (p *process) start(cmd *exec.Cmd) {
	p.t.Helper()
	cmd.Stderr = p.log
	if cmd.Stdout == nil {
		cmd.Stdout = p.log
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(p.t, cmd.Start())
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
}

// kill ends it as kill -9 does and returns when it is gone.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	p.cmd = nil
}

// mustRun fails the test when the process is gone.
func (p *process) mustRun() {
	p.t.Helper()
	select {
	case <-p.ended:
		p.t.Fatalf("%s ended by itself:\n%s", p.name, tail(p.log.Name(), 4000))
	default:
	}
}

func tail(path string, n int) string {
	b, _ := os.ReadFile(path)
	return string(b[max(0, len(b)-n):])
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// waitFor looks at another process until something is so.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is still not so: %s", what)
		}
	}
}
