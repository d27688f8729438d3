package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a PostgreSQL server of a test's own, on a free port of loopback: it
// can be killed and started again, and be followed by a standby. It keeps its
// promises: fsync is on.
type Cluster struct {
	t        testing.TB
	bin, dir string
	port     int
	settings []string
	cmd      *exec.Cmd
	ended    chan struct{} // closed when cmd has ended
}

// NewCluster makes and starts a server with settings such as "wal_level=replica".
// It ends with the test.
func NewCluster(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "sendoff-cluster-") // t.TempDir cannot be entered by another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return NewClusterAt(t, dir, settings...)
}

// NewClusterAt is NewCluster in a directory that exists, for instance a disk of
// its own.
func NewClusterAt(t testing.TB, dir string, settings ...string) *Cluster {
	t.Helper()
	c := newCluster(t, dir, settings)
	c.run("initdb", "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=4")
	c.Start()
	return c
}

func newCluster(t testing.TB, dir string, settings []string) *Cluster {
	t.Helper()
	bin, err := postgresBin()
	if err != nil {
		missing(t, "PostgreSQL")
	}
	c := &Cluster{t: t, bin: bin, dir: dir, settings: settings}
	if c.port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	if cred := unprivileged(); cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(c.Kill)
	return c
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// Addr is where the server listens.
func (c *Cluster) Addr() string { return fmt.Sprintf("127.0.0.1:%d", c.port) }

// URL is that of the database postgres.
func (c *Cluster) URL() string {
	return "postgres://postgres@" + c.Addr() + "/postgres?sslmode=disable"
}

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged()}
	return cmd
}

func (c *Cluster) run(name string, args ...string) {
	c.t.Helper()
	if out, err := c.command(name, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Start runs the server and returns when it takes connections.
func (c *Cluster) Start() {
	c.t.Helper()
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		log, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	args := []string{"-D", c.data(), "-p", strconv.Itoa(c.port), "-h", "127.0.0.1", "-k", ""}
	for _, s := range c.settings {
		args = append(args, "-c", s)
	}
	cmd, ended := c.command("postgres", args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatalf("start PostgreSQL: %v", err)
	}
	c.cmd, c.ended = cmd, ended
	go func() { _ = cmd.Wait(); close(ended) }()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) { // polls another process
		conn, err := c.connect()
		if err == nil {
			_ = conn.Close(context.Background())
			return
		}
		if !c.Alive() || time.Now().After(end) {
			b, _ := os.ReadFile(log.Name())
			c.t.Fatalf("PostgreSQL does not start: %v\n%s", err, b[max(0, len(b)-3000):])
		}
	}
}

// Alive tells whether the server's process has not ended.
func (c *Cluster) Alive() bool {
	if c.cmd == nil {
		return false
	}
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// Kill ends all processes of the server at once, as kill -9 does: nothing is
// written any more. It does nothing when the server has ended.
func (c *Cluster) Kill() {
	if !c.Alive() {
		return
	}
	pid := c.cmd.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGSTOP) // so that it starts no others
	backends := childrenOf(pid)
	for _, p := range append(backends, pid) {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	<-c.ended
	for _, p := range backends {
		for end := time.Now().Add(10 * time.Second); syscall.Kill(p, 0) == nil && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond) // until it is gone, and with it its hold on shared memory
		}
	}
}

func childrenOf(pid int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, child)
		}
	}
	return pids
}

// Standby makes and starts a server that follows this one. With the setting
// synchronous_standby_names=* commits wait for it from then on.
func (c *Cluster) Standby() *Cluster {
	c.t.Helper()
	dir, err := os.MkdirTemp("", "sendoff-standby-")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := newCluster(c.t, dir, nil)
	s.run("pg_basebackup", "-D", s.data(), "-h", "127.0.0.1", "-p", strconv.Itoa(c.port), "-U", "postgres", "-R", "-c", "fast")
	s.Start()
	return s
}

// Promote makes a standby a server that takes writes.
func (c *Cluster) Promote() {
	c.t.Helper()
	c.run("pg_ctl", "-D", c.data(), "-w", "promote")
}

func (c *Cluster) connect() (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return pgx.Connect(ctx, c.URL()+"&statement_timeout=0&default_transaction_read_only=off") // whatever a test does to the others
}

// Exec runs statements, each by itself.
func (c *Cluster) Exec(statements ...string) error {
	conn, err := c.connect()
	if err != nil {
		return err
	}
	ctx := context.Background()
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range statements {
		_, execErr := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		err = errors.Join(err, execErr)
	}
	return err
}
