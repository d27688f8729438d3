package packaging_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// TestAlertsFireWhenFaultsHappen, each at a server to which what it is for was done, as
// Prometheus sees it; a minute stands for a second.
func TestAlertsFireWhenFaultsHappen(t *testing.T) {
	if os.Getenv("SENDOFF_HEAVY") == "" {
		t.Skip("takes a minute: make proof-alerts")
	}
	program, hurried := build(t), hurry(t)
	var all []string
	t.Run("faults", func(t *testing.T) {
		for name, f := range map[string]struct {
			does  func(t *testing.T, program string) (targets []string, over func(fired func(alert string) bool))
			every time.Duration
			fires []string
		}{
			"nobody":  {nobody, time.Second, []string{"NoNode"}},
			"idle":    {idle, time.Second, []string{"QueueStuck", "Backlog", "TodosStuck"}},
			"failing": {failing, time.Second, []string{"AttemptsFail", "TasksFailed", "EndpointPaused", "LeaversStuck", "LinesFull", "SchedulesSkip"}},
			"dying":   {dying, time.Second, []string{"WorkersDie"}},
			"busy":    {crowded, time.Second, []string{"WorkersWaiting"}},
			"lost":    {lost, 300 * time.Millisecond, []string{"Down", "TasksRescued", "Restarts", "LeaseMargin", "LeaseLost", "FilesOpen"}},
			"stalls":  {stalls, 2 * time.Second, []string{"CommitsSlow", "SchedulesLate"}},
		} {
			all = append(all, f.fires...)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				targets, over := f.does(t, program)
				ask := watch(t, hurried, f.every, targets)
				fired := func(alert string) bool {
					return ask(`last_over_time(ALERTS{alertname="Sendoff`+alert+`", alertstate="firing"}[10m])`) > 0
				}
				if over != nil {
					over(fired)
				}
				wanted := slices.Clone(f.fires)
				require.EventuallyWithT(t, func(c *assert.CollectT) {
					wanted = slices.DeleteFunc(wanted, fired)
					require.Empty(c, wanted, "these have not fired")
				}, 2*time.Minute, 200*time.Millisecond)
			})
		}
	})
	for name := range rules(t) {
		require.Contains(t, all, strings.TrimPrefix(name, "Sendoff"), "a rule that no fault fires")
	}
}

// hurry is the file of rules where a minute is a second, and so are the bounds that are
// durations of what was done here.
func hurry(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("prometheus/alerts.yml")
	require.NoError(t, err)
	rules := regexp.MustCompile(`\b([0-9]+)m\b`).ReplaceAllString(string(text), "${1}s")
	for _, bound := range [][2]string{
		{"sendoff_oldest_ready_seconds) > 300", "sendoff_oldest_ready_seconds) > 5"},
		{"sendoff_oldest_todo_seconds) > 60", "sendoff_oldest_todo_seconds) > 1"},
		{"sendoff_oldest_leaver_seconds) > 300", "sendoff_oldest_leaver_seconds) > 5"},
		{"sendoff_schedule_lateness_seconds_bucket[10s]))) > 30", "sendoff_schedule_lateness_seconds_bucket[10s]))) > 0.5"},
		{"(delta(sendoff_workers[10s])) > 10", "(delta(sendoff_workers[10s])) > 1"}, // how often a worker is started does not hurry
	} {
		require.Contains(t, rules, bound[0])
		rules = strings.ReplaceAll(rules, bound[0], bound[1])
	}
	file := filepath.Join(t.TempDir(), "alerts.yml")
	require.NoError(t, os.WriteFile(file, []byte(rules), 0o600))
	return file
}

// watch has a Prometheus with these rules look at servers.
func watch(t *testing.T, rules string, every time.Duration, targets []string) (ask func(string) int) {
	t.Helper()
	job := "sendoff"
	if len(targets) == 0 {
		job = "another"
	}
	for i := range targets {
		targets[i] = "'" + strings.TrimPrefix(targets[i], "http://") + "'"
	}
	return prometheusOf(t, fmt.Sprintf(`global: {scrape_interval: %[1]s, scrape_timeout: %[1]s, evaluation_interval: 300ms}
rule_files: ['%[2]s']
scrape_configs: [{job_name: %[3]s, static_configs: [{targets: [%[4]s]}]}]
`, every, rules, job, strings.Join(targets, ", ")))
}

func nobody(*testing.T, string) ([]string, func(func(string) bool)) { return nil, nil }

// serve runs an engine in this process until the test has ended.
func serve(t *testing.T, cfg engine.Config, prepare func(e *engine.Engine)) (*engine.Engine, string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{})
	require.NoError(t, err)
	cfg.AllowLoopback, cfg.Grace = true, time.Millisecond
	e, err := engine.New(db, cfg)
	require.NoError(t, err)
	if prepare != nil {
		prepare(e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	t.Cleanup(func() {
		door.Close()
		cancel()
		assert.NoError(t, <-over)
		assert.NoError(t, db.Close())
	})
	return e, door.URL
}

// idle: nobody carries out what is ready, nor what a cancel has left to do.
func idle(t *testing.T, _ string) ([]string, func(func(string) bool)) {
	e, url := serve(t, engine.Config{Roles: []engine.Role{engine.Accept, engine.Execute}}, nil)
	_, err := e.Submit(t.Context(), engine.Task{Handler: "nobody", Queue: "mail"})
	require.NoError(t, err)
	later, err := e.Submit(t.Context(), engine.Task{Handler: "nobody", Delay: time.Hour, OnComplete: &engine.Task{Handler: "nobody"}})
	require.NoError(t, err)
	_, err = e.Tasks().Cancel(t.Context(), later.ID)
	require.NoError(t, err)
	return []string{url}, nil
}

// failing: one app refuses, one is away, one handler does not hear that it is canceled, a line
// has no end, a schedule comes before its task has ended.
func failing(t *testing.T, _ string) ([]string, func(func(string) bool)) {
	release, deaf := make(chan struct{}), make(chan struct{}, 100)
	e, url := serve(t, engine.Config{}, func(e *engine.Engine) {
		e.HandleFunc("deaf", func(context.Context, *engine.Call) error {
			deaf <- struct{}{}
			<-release
			return nil
		})
	})
	t.Cleanup(func() { close(release) })
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnprocessableEntity) }))
	t.Cleanup(app.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()

	canceled, err := e.Submit(t.Context(), engine.Task{Handler: "deaf", Limits: []task.Limit{{Key: "one", Concurrency: 1}}})
	require.NoError(t, err)
	<-deaf
	_, err = e.Tasks().Cancel(t.Context(), canceled.ID)
	require.NoError(t, err)
	line := slices.Repeat([]engine.Task{{Handler: "deaf", Limits: []task.Limit{{Key: "line", Concurrency: 1}}}}, 1000)
	for range 11 {
		_, err := e.SubmitMany(t.Context(), line, true)
		require.NoError(t, err)
	}
	_, err = e.Schedules().Set(t.Context(), engine.ScheduleSpec{Name: "often", Every: time.Second, Overlap: task.Discard, Task: engine.Task{Handler: "deaf"}})
	require.NoError(t, err)
	return []string{url}, func(fired func(string) bool) {
		for !fired("AttemptsFail") || !fired("EndpointPaused") {
			_, err := e.SubmitMany(t.Context(), slices.Repeat([]engine.Task{{URL: app.URL}, {URL: gone.URL}}, 5), true)
			require.NoError(t, err)
			time.Sleep(500 * time.Millisecond)
		}
	}
}

// dying: workers end as soon as they are started.
func dying(t *testing.T, _ string) ([]string, func(func(string) bool)) {
	e, url := serve(t, engine.Config{Processes: &engine.Processes{Worker: []string{"false"}, Allow: []string{"*"}, Max: 1}}, nil)
	for range 3 {
		_, err := e.Submit(t.Context(), engine.Task{Process: "app.mail.send"})
		require.NoError(t, err)
	}
	return []string{url}, nil
}

// crowded: there is one worker, and one task that takes long, before others.
func crowded(t *testing.T, _ string) ([]string, func(func(string) bool)) {
	e, url := serve(t, engine.Config{Processes: &engine.Processes{Allow: []string{"time"}, Max: 1}}, nil)
	for range 3 {
		_, err := e.Submit(t.Context(), engine.Task{Process: "time.sleep", Payload: map[string]any{"args": []int{300}}, Timeout: time.Hour})
		require.NoError(t, err)
	}
	return []string{url}, nil
}

// node is a server in a process of its own, always at the same address.
type node struct {
	program, db, address string

	cmd *exec.Cmd
}

func newNode(t *testing.T, program, db string) *node {
	free := httptest.NewServer(http.NotFoundHandler())
	defer free.Close()
	n := &node{program: program, db: db, address: free.Listener.Addr().String()}
	t.Cleanup(func() { n.signal(syscall.SIGKILL) })
	return n
}

func (n *node) start(t *testing.T) {
	t.Helper()
	n.cmd = exec.CommandContext(t.Context(), n.program, "serve", "--listen", n.address, "--db", n.db, "--keys-file", filepath.Join(t.TempDir(), "keys")) //nolint:gosec // built here
	require.NoError(t, n.cmd.Start())
	require.Eventually(t, func() bool {
		status, _ := get(t, "http://"+n.address+"/readyz")
		return status == http.StatusOK
	}, 30*time.Second, 20*time.Millisecond)
}

func (n *node) signal(s syscall.Signal) {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(s)
	if s == syscall.SIGKILL {
		_ = n.cmd.Wait()
		n.cmd = nil
	}
}

// stop has it sleep for so long.
func (n *node) stop(d time.Duration) {
	n.signal(syscall.SIGSTOP)
	time.Sleep(d)
	n.signal(syscall.SIGCONT)
}

func (n *node) client(t *testing.T) *sendoff.Client {
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://" + n.address})
	require.NoError(t, err)
	return c
}

// lost: one node is killed again and again, the other one sleeps for nearly as long as its
// lease is, and then for longer, and may open no more files than it has.
func lost(t *testing.T, program string) ([]string, func(func(string) bool)) {
	dsn := testkit.Postgres(t)
	a, b := newNode(t, program, dsn), newNode(t, program, dsn)
	a.start(t)
	release, under := make(chan struct{}), make(chan struct{}, 1000)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		under <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); app.Close() })
	_, err := a.client(t).SubmitMany(t.Context(), slices.Repeat([]sendoff.NewTask{{URL: app.URL}}, 20), true)
	require.NoError(t, err)
	for range 20 {
		<-under
	}
	b.start(t)
	return []string{a.address, b.address}, func(fired func(string) bool) {
		until := func(alert string) {
			require.Eventually(t, func() bool { return fired(alert) }, time.Minute, 200*time.Millisecond, alert)
		}
		a.signal(syscall.SIGKILL)
		until("Down")
		until("TasksRescued")
		for range 4 {
			a.start(t)
			time.Sleep(time.Second) // seen by a scrape
			a.signal(syscall.SIGKILL)
		}
		until("Restarts")
		for range 6 {
			if fired("LeaseMargin") {
				break
			}
			b.stop(7 * time.Second)
			time.Sleep(4 * time.Second)
		}
		b.stop(12 * time.Second)
		until("LeaseLost")
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.cmd.Process.Pid))
		require.NoError(t, err)
		few := uint64(len(open)) * 10 / 9
		require.NoError(t, unix.Prlimit(b.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: few, Max: few}, nil))
	}
}

// stalls: the machine stands still again and again, in the middle of commits and when
// something is due.
func stalls(t *testing.T, program string) ([]string, func(func(string) bool)) {
	n := newNode(t, program, filepath.Join(t.TempDir(), "x.db"))
	n.start(t)
	c := n.client(t)
	for i := range 10 {
		_, err := c.Schedules.Set(t.Context(), fmt.Sprint(i), sendoff.ScheduleSpec{Every: "1s", Task: json.RawMessage(`{"handler":"nobody"}`)})
		require.NoError(t, err)
	}
	return []string{n.address}, func(fired func(string) bool) {
		ctx, cancel := context.WithCancel(t.Context())
		var load sync.WaitGroup
		defer load.Wait()
		defer cancel()
		load.Go(func() {
			for ctx.Err() == nil {
				_, err := c.Submit(ctx, sendoff.NewTask{Handler: "nobody"})
				if err != nil && !errors.Is(err, context.Canceled) {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
		for range 40 {
			if fired("CommitsSlow") && fired("SchedulesLate") {
				return
			}
			n.stop(1500 * time.Millisecond)
			time.Sleep(100 * time.Millisecond)
		}
	}
}
