//go:build linux

package chaos_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/auditor"
)

// roleEnv makes the test binary be another program: what is killed, and what
// must survive, lives in processes of its own.
const roleEnv = "SENDOFF_CHAOS_ROLE"

func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleEnv); role {
	case "":
		os.Exit(runTests(m))
	case "auditor":
		err = beAuditor(os.Args[1])
	case "functions":
		err = beFunctions(os.Args[1])
	case "standin":
		err = beStandin(os.Args[1:])
	case "crowd":
		err = beCrowd(os.Args[1])
	case "worker":
		err = beWorker()
	case "integrity":
		err = beIntegrityCheck(os.Args[1])
	default:
		err = fmt.Errorf("no role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runTests(m *testing.M) int {
	defer func() {
		if built.dir != "" {
			os.RemoveAll(built.dir)
		}
	}()
	return m.Run()
}

// heavy returns the short figure, or the long one with SENDOFF_HEAVY=1.
func heavy(short, long int) int {
	if os.Getenv("SENDOFF_HEAVY") == "1" {
		return long
	}
	return short
}

func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("kills real processes: not with -short")
	}
}

// program is what is put to the test: the binary, or a stand-in for it.
type program struct {
	path string
	env  []string
}

var built struct {
	sync.Once
	dir, path string
	err       error
}

// sendoff builds the binary as it is released, once. SENDOFF_BIN names one
// that is built already.
func sendoff(t *testing.T) program {
	t.Helper()
	skipShort(t)
	if path := os.Getenv("SENDOFF_BIN"); path != "" {
		return program{path: path}
	}
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "sendoff-chaos-"); built.err != nil {
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
	return program{path: built.path}
}

// self is the test binary in another role.
func self(role string, env ...string) program {
	return program{path: os.Args[0], env: append(env, roleEnv+"="+role)}
}

func (p program) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.path, args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func beAuditor(log string) error {
	a, err := auditor.Open(log)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return a.Serve(ctx, l)
}

// judge is the auditor's process.
type judge struct {
	url string
	log string
	cmd *exec.Cmd
}

func startJudge(t *testing.T) *judge {
	t.Helper()
	j := &judge{log: filepath.Join(t.TempDir(), "deliveries.jsonl")}
	j.cmd = self("auditor").command(j.log)
	j.cmd.Stderr = os.Stderr
	out, err := j.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, j.cmd.Start())
	t.Cleanup(func() {
		j.cmd.Process.Signal(syscall.SIGTERM)
		j.cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	j.url = "http://" + strings.TrimSpace(addr)
	return j
}

// deliveries returns what was logged so far, by task.
func (j *judge) deliveries(t *testing.T) map[string][]*auditor.Delivery {
	t.Helper()
	return auditor.Deliveries(j.events(t))
}

func (j *judge) events(t *testing.T) []auditor.Event {
	t.Helper()
	events, err := auditor.ReadLog(j.log)
	require.NoError(t, err)
	return events
}

// checkIntegrity asks SQLite whether a database file is sound (I16). It does so
// in another process: a file on powerfs must not be opened by its server.
func checkIntegrity(t *testing.T, file string) {
	t.Helper()
	out, err := self("integrity").command(file).CombinedOutput()
	require.NoError(t, err, "integrity of %s: %s", file, out)
}

func beIntegrityCheck(file string) error {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	defer db.Close()
	var answer string
	if err := db.QueryRow("pragma integrity_check").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("integrity_check: %s", answer)
	}
	return nil
}
