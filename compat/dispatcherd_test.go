//go:build linux

package compat_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// notified is a service of dispatcherd under its own name and ours.
type notified struct {
	*process
	sdk    sdk
	dir    string
	config string
	said   string
}

// newNotified prepares a service over a database.
func newNotified(t *testing.T, dsn, node string) *notified {
	t.Helper()
	n := &notified{sdk: environment(t, "dispatcherd"), dir: t.TempDir()}
	n.process = newProcess(t, node)
	n.config, n.said = filepath.Join(n.dir, "dispatcher.yml"), filepath.Join(n.dir, "said")
	require.NoError(t, os.WriteFile(n.said, nil, 0o600))
	require.NoError(t, os.WriteFile(n.config, fmt.Appendf(nil, `
version: 2
service:
  pool_kwargs: {min_workers: 1, max_workers: 3}
  main_kwargs: {node_id: %s}
worker: {worker_cls: greetings.Worker}
brokers:
  pg_notify:
    config: {conninfo: %q}
    sync_connection_factory: dispatcherd.brokers.pg_notify.connection_saver
    channels: [test_channel, other_channel]
    default_publish_channel: test_channel
  socket: {socket_path: %s}
producers: {ControlProducer: null}
publish: {default_broker: pg_notify}
`, node, dsn, filepath.Join(n.dir, "s.sock")), 0o600))
	return n
}

func (n *notified) env(cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = n.dir
	cmd.Env = append(os.Environ(), "VIRTUAL_ENV="+n.sdk.dir, "PYTHONPATH="+n.sdk.apps, "SAID="+n.said)
	return cmd
}

// serve starts the service and waits until it answers.
func (n *notified) serve() {
	n.t.Helper()
	n.start(n.env(exec.Command(sendoff(n.t), "dispatcherd", "--config", n.config)))
	require.Eventually(n.t, func() bool { return n.ctl("alive") == nil }, time.Minute, 50*time.Millisecond)
}

// ctl runs the real dispatcherctl.
func (n *notified) ctl(args ...string) error {
	args = append(args, "--config", n.config, "--log-level", "CRITICAL")
	out, err := n.env(exec.Command(filepath.Join(n.sdk.dir, "bin", "dispatcherctl"), args...)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("dispatcherctl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// TestDispatcherdsPublishersAndTasksStayAsTheyAre: its library on one side, its TaskWorker
// on the other.
func TestDispatcherdsPublishersAndTasksStayAsTheyAre(t *testing.T) {
	n := newNotified(t, testkit.Postgres(t), "node-1")
	n.serve()
	out, err := n.env(exec.CommandContext(t.Context(), filepath.Join(n.sdk.dir, "bin", "python"), filepath.Join(n.sdk.apps, "publish.py"), n.config)).CombinedOutput()
	require.NoError(t, err, string(out))
	log, err := os.ReadFile(n.log.Name())
	require.NoError(t, err)
	require.Contains(t, string(log), "\nhello world!!\n", "what tasks print is printed")
	for _, args := range [][]string{
		{"running"}, {"cancel", "--uuid", "nobody"}, {"alive"}, {"aio_tasks", "--limit", "0"}, {"workers"}, {"producers"}, {"metrics"}, {"main"}, {"status"},
		{"chunks"}, {"set_log_level", "--level", "INFO"},
	} {
		require.NoError(t, n.ctl(args...))
	}
}

// TestTwoNodesHearTheSameMessages, as with dispatcherd: each runs a task that is published
// once, and both answer.
func TestTwoNodesHearTheSameMessages(t *testing.T) {
	dsn := testkit.Postgres(t)
	a, b := newNotified(t, dsn, "node-1"), newNotified(t, dsn, "node-2")
	a.serve()
	b.start(b.env(exec.Command(sendoff(t), "dispatcherd", "--config", b.config)))
	require.Eventually(t, func() bool { return a.ctl("alive", "--expected-replies", "2") == nil }, time.Minute, 50*time.Millisecond)
	hello := "import sys, greetings\nfrom dispatcherd.config import setup\nsetup(file_path=sys.argv[1])\ngreetings.print_hello.delay()"
	out, err := a.env(exec.CommandContext(t.Context(), filepath.Join(a.sdk.dir, "bin", "python"), "-c", hello, a.config)).CombinedOutput()
	require.NoError(t, err, string(out))
	for _, n := range []*notified{a, b} {
		require.Eventually(t, func() bool {
			text, _ := os.ReadFile(n.said)
			return strings.Contains(string(text), `["hello"]`)
		}, time.Minute, 10*time.Millisecond)
	}
	require.Error(t, a.ctl("alive", "--expected-replies", "3"))
}

// TestWhatWaitsOutlivesAKill: kill -9 of the service, with one task at work and others that
// wait. The first is never begun again, and the others are.
func TestWhatWaitsOutlivesAKill(t *testing.T) {
	n := newNotified(t, testkit.Postgres(t), "node-1")
	n.serve()
	publish := func(code string) {
		code = "import sys, greetings\nfrom dispatcherd.config import setup\nsetup(file_path=sys.argv[1])\n" + code
		out, err := n.env(exec.CommandContext(t.Context(), filepath.Join(n.sdk.dir, "bin", "python"), "-c", code, n.config)).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	said := func(what string) int {
		text, err := os.ReadFile(n.said)
		require.NoError(t, err)
		return strings.Count(string(text), what)
	}
	publish("for i in range(3): greetings.naps.delay(i)") // as many as there are workers
	require.Eventually(t, func() bool { return said(`["begin", `) == 3 }, time.Minute, 10*time.Millisecond)
	publish("for i in range(200): greetings.add.delay(i, b=1000)\nfrom dispatcherd.processors.delayer import Delayer\ngreetings.print_hello.apply_async(processor_options=(Delayer.Params(delay=1),))\ngreetings.print_hello.delay()")
	require.NoError(t, n.ctl("running")) // which knows of all that came before it
	n.kill()
	n.serve()
	require.Eventually(t, func() bool { return said(`["add", `) == 200 && said(`["hello"]`) == 2 }, time.Minute, 10*time.Millisecond)
	for i := range 200 {
		require.Equal(t, 1, said(fmt.Sprintf(`["add", %d, `, 1000+i)), i)
	}
	require.Equal(t, 3, said(`["begin", `))
}

// TestAnApplicationStartsTheServiceItself, by the lines of docs/dispatcherd.md, with a
// configuration that is nowhere but in its own code.
func TestAnApplicationStartsTheServiceItself(t *testing.T) {
	n := newNotified(t, testkit.Postgres(t), "node-1")
	page, err := os.ReadFile("../docs/dispatcherd.md")
	require.NoError(t, err)
	_, lines, _ := strings.Cut(string(page), "```python\n")
	lines, _, _ = strings.Cut(lines, "```")
	require.Contains(t, lines, "service = subprocess.Popen(")
	app := filepath.Join(n.dir, "app.py")
	require.NoError(t, os.WriteFile(app, []byte("import sys, yaml\nconfig = yaml.safe_load(open(sys.argv[1]))\n"+lines), 0o600))
	cmd := n.env(exec.Command(filepath.Join(n.sdk.dir, "bin", "python"), app, n.config))
	cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(sendoff(t))+":"+os.Getenv("PATH"))
	n.start(cmd)
	require.Eventually(t, func() bool { return n.ctl("alive") == nil }, time.Minute, 50*time.Millisecond)
	ask := exec.CommandContext(t.Context(), filepath.Join(n.sdk.dir, "bin", "dispatcherctl"), "main", "--config", n.config, "--log-level", "CRITICAL")
	status, err := n.env(ask).Output()
	require.NoError(t, err)
	pid := regexp.MustCompile(`(?m)^  pid: (\d+)$`).FindSubmatch(status)
	require.NotNil(t, pid, string(status))
	service, err := strconv.Atoi(string(pid[1]))
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Kill(service, syscall.SIGKILL) })
	hello := "import sys, greetings\nfrom dispatcherd.config import setup\nsetup(file_path=sys.argv[1])\ngreetings.print_hello.delay()"
	out, err := n.env(exec.CommandContext(t.Context(), filepath.Join(n.sdk.dir, "bin", "python"), "-c", hello, n.config)).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(n.said)
		return strings.Contains(string(text), `["hello"]`)
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, syscall.Kill(service, syscall.SIGTERM))
	select {
	case <-n.ended: // the application waits for it
	case <-time.After(30 * time.Second):
		t.Fatal("the application goes on")
	}
}
