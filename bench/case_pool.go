package main

import (
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sendoff-dev/sendoff/engine"
)

// Pools: tasks in Python, on two warm workers, which say that they ran by a byte in a
// file: so all systems are counted by the same. The service is a program of its own,
// whose processor time is the task's, with all of its processes.
func poolCases() []benchCase {
	const burst, short = 10_000, 3_000
	latency := func(group, who string, do func(context.Context, *run) error) benchCase {
		return benchCase{Group: group, Who: who, N: 500, Short: 100, do: do}
	}
	return []benchCase{
		{Group: "pool-notify/postgres", Who: "sendoff", N: burst, Short: short, do: ourDispatcherd(notifyBurst, true)},
		{Group: "pool-notify/postgres", Who: "sendoff-memory", N: burst, Short: short, do: ourDispatcherd(notifyBurst, true, "--db", "memory")},
		{Group: "pool-notify/postgres", Who: "dispatcherd", N: burst, Short: short, do: realDispatcherd(notifyBurst, true)},
		{Group: "pool-socket", Who: "sendoff", N: burst, Short: short, do: ourDispatcherd(socketBurst, false, "--db", "record.db")},
		{Group: "pool-socket", Who: "sendoff-memory", N: burst, Short: short, do: ourDispatcherd(socketBurst, false)},
		{Group: "pool-socket", Who: "dispatcherd", N: burst, Short: short, do: realDispatcherd(socketBurst, false)},
		latency("pool-latency/postgres", "sendoff", ourDispatcherd(notifyLatency, true)),
		latency("pool-latency/postgres", "sendoff-memory", ourDispatcherd(notifyLatency, true, "--db", "memory")),
		latency("pool-latency/postgres", "dispatcherd", realDispatcherd(notifyLatency, true)),
		latency("pool-latency/redis", "celery", celeryLatency),
		{Group: "pool-drain/sqlite", Who: "sendoff", N: 50_000, Short: 10_000, do: ourDrain},
		{Group: "pool-drain/postgres", Who: "sendoff", N: 50_000, Short: 10_000, do: ourDrain},
		{Group: "pool-drain/redis", Who: "celery", N: 10_000, Short: 2_000, do: celeryDrain},
	}
}

const poolWorkers = "2"

//go:embed python/benchjobs.py
var benchJobs string

// pool is a service under test, and the file that its tasks write.
type pool struct {
	r     *run
	cmd   *exec.Cmd
	done  string
	env   []string
	began time.Time
}

// newPool puts the tasks where workers find them.
func newPool(r *run) (*pool, error) {
	p := &pool{r: r, done: filepath.Join(r.Dir, "done")}
	p.env = append(os.Environ(), "BENCH_DONE="+p.done, "PYTHONPATH="+r.Dir, "VIRTUAL_ENV="+filepath.Dir(filepath.Dir(r.Python)))
	if r.Redis != "" {
		p.env = append(p.env, "BENCH_REDIS="+r.Redis)
	}
	if err := os.WriteFile(p.done, nil, 0o600); err != nil {
		return nil, err
	}
	return p, os.WriteFile(filepath.Join(r.Dir, "benchjobs.py"), []byte(benchJobs), 0o600)
}

// start starts the service, which is measured from then on.
func (p *pool) start(argv ...string) error {
	log, err := os.Create(filepath.Join(p.r.Dir, "service.log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.r.Dir, p.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr, syscall.SIGTERM)
	p.began = time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.r.service = cmd, cmd.Process.Pid
	return nil
}

func (p *pool) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(15*time.Second, func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	defer kill.Stop()
	_ = p.cmd.Wait()
}

func (p *pool) size() int {
	info, err := os.Stat(p.done)
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// until waits until the tasks have written so many bytes. nowAndThen is called while they
// write nothing.
func (p *pool) until(ctx context.Context, size int, nowAndThen func() error) error {
	before, since := -1, time.Now()
	for {
		n := p.size()
		switch {
		case n >= size:
			return nil
		case n != before:
			before, since = n, time.Now()
		case time.Since(since) > 30*time.Second:
			log, _ := os.ReadFile(filepath.Join(p.r.Dir, "service.log"))
			return fmt.Errorf("only %d of %d bytes were written, and none for 30 s: %s", n, size, log[max(len(log)-2000, 0):])
		case nowAndThen != nil:
			if err := nowAndThen(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// ready sends tasks until one has run, and notes how long that took from the start.
func (p *pool) ready(ctx context.Context, send func(messages []string) error) error {
	var last time.Time
	err := p.until(ctx, 1, func() error {
		if time.Since(last) < 50*time.Millisecond {
			return nil
		}
		last = time.Now()
		_ = send([]string{message("tick")}) // nobody may listen yet
		return nil
	})
	p.r.sample.Values["start_ms"] = float64(time.Since(p.began).Milliseconds())
	for n := 0; n != p.size(); time.Sleep(500 * time.Millisecond) { // those that were sent meanwhile
		n = p.size()
	}
	return err
}

// message is one as dispatcherd's publishers send it.
func message(task string, args ...string) string {
	return fmt.Sprintf(`{"uuid":"%s","task":"benchjobs.%s","args":[%s],"kwargs":{}}`, uuid.NewString(), task, strings.Join(args, ","))
}

// scenario is what is done with a service that is ready: send hands messages over.
type scenario func(ctx context.Context, p *pool, send func(messages []string) error) error

// burst sends all tasks at once, and waits for the last one to run.
func burst(ctx context.Context, p *pool, send func(messages []string) error) error {
	all := make([]string, p.r.N)
	for i := range all {
		all[i] = message("tick", strconv.Quote(strings.Repeat("x", 200)))
	}
	before := p.size()
	if err := p.r.begin(ctx); err != nil {
		return err
	}
	for part := range slices.Chunk(all, 500) {
		if err := send(part); err != nil {
			return err
		}
	}
	if err := p.until(ctx, before+p.r.N, nil); err != nil {
		return err
	}
	return p.r.end(ctx, p.r.N)
}

// oneByOne sends each when the one before has run.
func oneByOne(ctx context.Context, p *pool, send func(messages []string) error) error {
	before := p.size()
	if err := p.r.begin(ctx); err != nil {
		return err
	}
	for i := range p.r.N {
		if err := send([]string{message("stamp", strconv.FormatInt(time.Now().UnixNano(), 10))}); err != nil {
			return err
		}
		if err := p.until(ctx, before+8*(i+1), nil); err != nil {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
	if err := p.r.end(ctx, p.r.N); err != nil {
		return err
	}
	return p.latencies(before)
}

// latencies reads what the tasks have measured.
func (p *pool) latencies(from int) error {
	text, err := os.ReadFile(p.done)
	if err != nil {
		return err
	}
	var took []float64
	for text = text[from:]; len(text) >= 8; text = text[8:] {
		took = append(took, float64(binary.LittleEndian.Uint64(text))/1e6)
	}
	slices.Sort(took)
	p.r.sample.Values["p50_ms"], p.r.sample.Values["p99_ms"] = took[len(took)/2], took[len(took)*99/100]
	return nil
}

func notifyBurst(ctx context.Context, p *pool) error   { return p.overNotify(ctx, burst) }
func notifyLatency(ctx context.Context, p *pool) error { return p.overNotify(ctx, oneByOne) }
func socketBurst(ctx context.Context, p *pool) error   { return p.overSocket(ctx, burst) }

func (p *pool) overNotify(ctx context.Context, do scenario) error {
	conn, err := pgx.Connect(ctx, p.r.database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	send := func(messages []string) error {
		_, err := conn.Exec(ctx, "select pg_notify('bench', m) from unnest($1::text[]) m", messages)
		return err
	}
	if err := p.ready(ctx, send); err != nil {
		return err
	}
	return do(ctx, p, send)
}

func (p *pool) overSocket(ctx context.Context, do scenario) error {
	var conn net.Conn
	send := func(messages []string) (err error) {
		if conn == nil {
			if conn, err = net.Dial("unix", filepath.Join(p.r.Dir, "s.sock")); err != nil {
				return err
			}
		}
		_, err = conn.Write([]byte(strings.Join(messages, "\n") + "\n"))
		return err
	}
	if err := p.ready(ctx, send); err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return do(ctx, p, send)
}

// dispatcherYML is the configuration of both services.
func (p *pool) dispatcherYML(notify bool) (string, error) {
	brokers, publish := "  socket:\n    socket_path: s.sock\n", "socket"
	if notify {
		brokers, publish = fmt.Sprintf("  pg_notify:\n    config:\n      conninfo: %q\n    channels: [bench]\n", p.r.database), "pg_notify"
	}
	text := "version: 2\nservice:\n  pool_kwargs: {min_workers: " + poolWorkers + ", max_workers: " + poolWorkers + "}\n  main_kwargs: {node_id: bench}\nbrokers:\n" +
		brokers + "publish:\n  default_broker: " + publish + "\n"
	path := filepath.Join(p.r.Dir, "dispatcher.yml")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// serviceOf runs a scenario with a service of dispatcherd's kind.
func serviceOf(do func(context.Context, *pool) error, notify bool, argv func(r *run, config string) []string) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		p, err := newPool(r)
		if err != nil {
			return err
		}
		config, err := p.dispatcherYML(notify)
		if err != nil {
			return err
		}
		defer p.stop()
		if err := p.start(argv(r, config)...); err != nil {
			return err
		}
		return do(ctx, p)
	}
}

func ourDispatcherd(do func(context.Context, *pool) error, notify bool, args ...string) func(context.Context, *run) error {
	return serviceOf(do, notify, func(r *run, config string) []string {
		return append([]string{r.Sendoff, "dispatcherd", "--config", config, "--log-level", "WARNING"}, args...)
	})
}

func realDispatcherd(do func(context.Context, *pool) error, notify bool) func(context.Context, *run) error {
	return serviceOf(do, notify, func(r *run, config string) []string {
		return []string{filepath.Join(filepath.Dir(r.Python), "dispatcherd"), "--config", config, "--log-level", "WARNING"}
	})
}

// ourDrain works off a backlog of process tasks that is on disk. Its Python is one
// without dispatcherd, whose own worker would run the tasks.
func ourDrain(ctx context.Context, r *run) error {
	p, err := newPool(r)
	if err != nil {
		return err
	}
	s, err := r.floor(ctx)
	if err != nil {
		return err
	}
	e, err := engine.New(s, engine.Config{Processes: &engine.Processes{Python: "python3", Allow: []string{"benchjobs"}}})
	if err == nil {
		err = fill(ctx, e, r.N, engine.Task{Process: "benchjobs.tick"})
	}
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	db := r.database
	if db == "" {
		db = filepath.Join(r.Dir, "sendoff.db")
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.start(r.Sendoff, "serve", "--db", db, "--listen", fmt.Sprintf("127.0.0.1:%d", port),
		"--process-allow", "benchjobs", "--process-python", "python3", "--process-env", "BENCH_DONE", "--process-dir", r.Dir,
		"--process-min", poolWorkers, "--process-max", poolWorkers); err != nil {
		return err
	}
	return p.drain(ctx)
}

// drain measures from the first task that has run to the last one.
func (p *pool) drain(ctx context.Context) error {
	if err := p.until(ctx, 1, nil); err != nil {
		return err
	}
	p.r.sample.Values["start_ms"] = float64(time.Since(p.began).Milliseconds())
	if err := p.r.begin(ctx); err != nil {
		return err
	}
	before := p.size()
	if err := p.until(ctx, p.r.N, nil); err != nil {
		return err
	}
	return p.r.end(ctx, p.r.N-before)
}

// python runs the module of the tasks as a program.
func (p *pool) python(args ...string) error {
	cmd := exec.Command(p.r.Python, append([]string{filepath.Join(p.r.Dir, "benchjobs.py")}, args...)...)
	cmd.Dir, cmd.Env = p.r.Dir, p.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// celery starts a worker of Celery with its default pool.
func (p *pool) celery() error {
	return p.start(p.r.Python, "-m", "celery", "-A", "benchjobs", "worker", "--pool", "prefork", "--concurrency", poolWorkers,
		"--loglevel", "WARNING", "--without-gossip", "--without-mingle")
}

func celeryDrain(ctx context.Context, r *run) error {
	p, err := newPool(r)
	if err != nil {
		return err
	}
	if err := p.python("fill", strconv.Itoa(r.N)); err != nil {
		return err
	}
	defer p.stop()
	if err := p.celery(); err != nil {
		return err
	}
	return p.drain(ctx)
}

func celeryLatency(ctx context.Context, r *run) error {
	p, err := newPool(r)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := p.celery(); err != nil {
		return err
	}
	if err := p.python("stamps", "1"); err != nil {
		return err
	}
	p.r.sample.Values["start_ms"] = float64(time.Since(p.began).Milliseconds())
	before := p.size()
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := p.python("stamps", strconv.Itoa(r.N)); err != nil {
		return err
	}
	if err := r.end(ctx, r.N); err != nil {
		return err
	}
	return p.latencies(before)
}
