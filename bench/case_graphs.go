package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Graphs of jobs, from the start of the program to its end. In graph-targets each job is
// a command that does nothing; in graph-chain the jobs are Python classes of DoJobber, the
// lowest of which fails, so that all others are blocked.
func graphCases() []benchCase {
	targets := func(who string, do func(context.Context, *run) error) benchCase {
		return benchCase{Group: "graph-targets", Who: who, N: 1_000, Short: 1_000, do: do}
	}
	cases := []benchCase{targets("sendoff", sendoffTargets), targets("make", makeTargets), targets("doit", doitTargets)}
	for _, n := range []int{16, 18, 20} {
		group := fmt.Sprintf("graph-chain%d", n)
		cases = append(cases,
			benchCase{Group: group, Who: "sendoff", N: n, Short: n, do: sendoffChain},
			benchCase{Group: group, Who: "dojobber", N: n, Short: n, do: dojobberChain})
	}
	return cases
}

// together is how many targets are worked on at a time.
const together = "2"

func sendoffTargets(ctx context.Context, r *run) error {
	var b strings.Builder
	b.WriteString("goal: all\njobs:\n  all: {deps: [" + names(r.N, ", ") + "]}\n")
	for i := range r.N {
		fmt.Fprintf(&b, "  t%d: {run: [\"true\"]}\n", i)
	}
	return r.program(ctx, "graph.yaml", b.String(), 0, r.Sendoff, "graph", "run", "graph.yaml", "--parallel", together)
}

func makeTargets(ctx context.Context, r *run) error {
	var b strings.Builder
	b.WriteString("all: " + names(r.N, " ") + "\n")
	for i := range r.N {
		fmt.Fprintf(&b, "t%d:\n\t@true\n", i)
	}
	return r.program(ctx, "Makefile", b.String(), 0, "make", "-j"+together)
}

func doitTargets(ctx context.Context, r *run) error {
	text := fmt.Sprintf("def task_t():\n    for i in range(%d):\n        yield {'name': str(i), 'actions': [['true']]}\n", r.N)
	return r.program(ctx, "dodo.py", text, 0, filepath.Join(filepath.Dir(r.Python), "doit"), "-n", together)
}

func names(n int, between string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("t%d", i)
	}
	return strings.Join(all, between)
}

// chain is a Python file of so many jobs, of which J0 fails. With its last lines it runs
// itself, by whatever is called dojobber.
func chain(n int) string {
	var b strings.Builder
	b.WriteString("import dojobber\nclass J0(dojobber.Job):\n    TRIES = 1\n    def Check(self): raise RuntimeError('no')\n    def Run(self): pass\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, "class J%d(dojobber.DummyJob):\n    DEPS = [J%d]\n    TRIES = 1\n", i, i-1)
	}
	fmt.Fprintf(&b, "if __name__ == '__main__':\n    d = dojobber.DoJobber()\n    d.configure(J%d)\n    d.checknrun()\n    raise SystemExit(not d.success())\n", n-1)
	return b.String()
}

func sendoffChain(ctx context.Context, r *run) error {
	return r.program(ctx, "chain.py", chain(r.N), 1, r.Sendoff, "graph", "run", fmt.Sprintf("chain.py:J%d", r.N-1))
}

func dojobberChain(ctx context.Context, r *run) error {
	return r.program(ctx, "chain.py", chain(r.N), 1, r.Python, "chain.py")
}

// program measures a program over a file from its start to its end, which has to be with a
// status.
func (r *run) program(ctx context.Context, file, text string, status int, argv ...string) error {
	if err := os.WriteFile(filepath.Join(r.Dir, file), []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.Dir, append(os.Environ(), "XDG_STATE_HOME="+r.Dir, "VIRTUAL_ENV="+filepath.Dir(filepath.Dir(r.Python))), &said, &said
	if err := r.begin(ctx); err != nil {
		return err
	}
	err := cmd.Run()
	if ended := r.end(ctx, r.N); ended != nil {
		return ended
	}
	if code := cmd.ProcessState.ExitCode(); code != status {
		return fmt.Errorf("%s ended with %d, not %d: %w\n%s", argv[0], code, status, err, said.Bytes()[max(0, said.Len()-2000):])
	}
	s := cmd.ProcessState
	r.sample.Self = float64((s.UserTime() + s.SystemTime()).Microseconds()) / float64(r.N)
	r.sample.Values["cpu_us"], r.sample.Values["wall_ms"] = r.sample.Self, r.sample.Seconds*1000
	return nil
}
