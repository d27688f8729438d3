package jobgraph_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
	"github.com/sendoff-dev/sendoff/task"
)

// quick tries again at once.
func quick() jobgraph.Config { return jobgraph.Config{RetryDelay: new(time.Duration)} }

func run(t *testing.T, goal *jobgraph.Job, cfg jobgraph.Config) *jobgraph.Result {
	t.Helper()
	res, err := jobgraph.Run(t.Context(), goal, cfg)
	require.NoError(t, err)
	return res
}

func fine(context.Context, *jobgraph.Attempt) error { return nil }

func says(text string) jobgraph.Func {
	return func(context.Context, *jobgraph.Attempt) error { return errors.New(text) }
}

// passesAgain fails as a check and passes as a recheck.
func passesAgain(_ context.Context, a *jobgraph.Attempt) error {
	if a.Call() == jobgraph.CallCheck {
		return errors.New("not yet")
	}
	return nil
}

func TestRunDecidesNothingWhereThereIsACheck(t *testing.T) {
	var seen error
	j := &jobgraph.Job{
		Name: "j",
		Check: func(_ context.Context, a *jobgraph.Attempt) error {
			seen = a.RunError()
			return passesAgain(nil, a)
		},
		Run: says("it broke"),
	}
	res := run(t, j, quick())
	require.True(t, res.Reached)
	require.Equal(t, jobgraph.Achieved, res.Jobs[0].How)
	require.EqualError(t, seen, "it broke")
	require.NoError(t, res.Jobs[0].Err, "what an earlier call said is no error of a job that succeeded")
	require.Equal(t, "not yet", res.Jobs[0].Reason)
}

func TestAJobWithoutARunWaits(t *testing.T) {
	tries := 0
	j := &jobgraph.Job{Name: "port", Tries: 5, Check: func(context.Context, *jobgraph.Attempt) error {
		if tries++; tries < 3 {
			return errors.New("port 80 closed")
		}
		return nil
	}}
	res := run(t, j, quick())
	require.True(t, res.Reached)
	require.Equal(t, 3, res.Jobs[0].Attempts)
	require.Equal(t, 3, res.Jobs[0].Checks, "no recheck after nothing was done")
	require.Equal(t, jobgraph.Green, res.Jobs[0].Color(), "the first check of its last attempt passed")
}

func TestALateSuccessIsInPlace(t *testing.T) {
	j := &jobgraph.Job{Name: "j", Run: fine, Check: func(_ context.Context, a *jobgraph.Attempt) error {
		if a.Number == 1 {
			return errors.New("no")
		}
		return nil
	}}
	res := run(t, j, quick())
	require.Equal(t, jobgraph.InPlace, res.Jobs[0].How)
	require.Equal(t, 2, res.Jobs[0].Attempts)
}

// TestWhatEndsACallOtherwise: a panic, an end of the goroutine.
func TestWhatEndsACallOtherwise(t *testing.T) {
	exits := func(context.Context, *jobgraph.Attempt) error { runtime.Goexit(); return nil }
	panics := func(context.Context, *jobgraph.Attempt) error { panic("oh no") }
	for name, bad := range map[string]jobgraph.Func{"Goexit": exits, "panic": panics} {
		t.Run(name, func(t *testing.T) {
			res := run(t, &jobgraph.Job{Name: "run", Check: passesAgain, Run: bad}, quick())
			require.True(t, res.Reached, "the recheck decides")

			res = run(t, &jobgraph.Job{Name: "check", Check: bad, Run: fine}, quick())
			require.Equal(t, jobgraph.Failed, res.Jobs[0].State)
			require.Equal(t, 3, res.Jobs[0].Runs, "a failed check is followed by a run")
			_, ok := errors.AsType[*jobgraph.PanicError](res.Jobs[0].Err)
			require.True(t, ok, "%v", res.Jobs[0].Err)

			res = run(t, &jobgraph.Job{Name: "cleanup", Run: fine, Cleanup: bad}, quick())
			require.True(t, res.Reached)
			require.Error(t, res.Err())
			require.Equal(t, jobgraph.ExitCleanup, res.Exit())
		})
	}
}

func TestCannotTellRunsNothing(t *testing.T) {
	res := run(t, &jobgraph.Job{Name: "j", Check: func(context.Context, *jobgraph.Attempt) error {
		return jobgraph.CannotTell(errors.New("no route to host"))
	}, Run: fine}, quick())
	require.Equal(t, jobgraph.Failed, res.Jobs[0].State)
	require.Zero(t, res.Jobs[0].Runs)
	require.Equal(t, 3, res.Jobs[0].Checks)
	require.ErrorContains(t, res.Err(), "no route to host")
}

func TestACheckMaySkipItsJob(t *testing.T) {
	j := &jobgraph.Job{Name: "windows only", Run: fine, Check: func(context.Context, *jobgraph.Attempt) error { return jobgraph.Skip("this is no Windows") }}
	res := run(t, jobgraph.Group("goal", j), quick())
	require.True(t, res.Reached)
	require.Equal(t, jobgraph.Skipped, res.Jobs[0].State)
	require.Equal(t, "this is no Windows", res.Jobs[0].Reason)
	require.Equal(t, jobgraph.Succeeded, res.Jobs[1].State)
}

func TestRules(t *testing.T) {
	bad, good := &jobgraph.Job{Name: "bad", Run: says("no")}, &jobgraph.Job{Name: "good", Run: fine}
	job := func(name string, when task.When, deps ...*jobgraph.Job) *jobgraph.Job {
		return &jobgraph.Job{Name: name, Run: fine, When: when, Deps: deps}
	}
	alarm, quiet := job("alarm", task.AnyFailed, bad, good), job("quiet", task.AnyFailed, good)
	goal := jobgraph.Group("goal", job("tidy", task.Always, bad, good), alarm, quiet,
		job("after quiet", task.AllOK, quiet), job("after bad", task.AllOK, bad), job("told", task.AnyFailed, job("blocked", task.AllOK, bad)))
	res := run(t, goal, quick())
	want := map[string]jobgraph.State{
		"bad": jobgraph.Failed, "good": jobgraph.Succeeded, "tidy": jobgraph.Succeeded, "alarm": jobgraph.Succeeded, "quiet": jobgraph.Skipped,
		"after quiet": jobgraph.Skipped, "after bad": jobgraph.Blocked, "blocked": jobgraph.Blocked, "told": jobgraph.Succeeded, "goal": jobgraph.Blocked,
	}
	for _, j := range res.Jobs {
		require.Equal(t, want[j.Name], j.State, j.Name)
	}
	require.Len(t, res.Jobs, len(want))

	plan, err := graph(t, goal).Plan(t.Context(), quick())
	require.NoError(t, err)
	for _, j := range plan.Jobs {
		if j.Name == "alarm" || j.Name == "tidy" {
			require.Equal(t, jobgraph.WouldWait, j.Verdict, "%s: what would run first has not failed", j.Name)
		}
	}
}

func TestCleanups(t *testing.T) {
	var order []string
	job := func(name string, check jobgraph.Func, deps ...*jobgraph.Job) *jobgraph.Job {
		return &jobgraph.Job{
			Name: name, Deps: deps, Check: check,
			Run: func(_ context.Context, a *jobgraph.Attempt) error {
				a.Local["run"] = fmt.Sprint(name, a.Number)
				return nil
			},
			Cleanup: func(_ context.Context, a *jobgraph.Attempt) error {
				order = append(order, a.Local["run"].(string))
				if name == "b" {
					return errors.New("stuck")
				}
				return nil
			},
		}
	}
	twice := job("a", func(_ context.Context, a *jobgraph.Attempt) error {
		if a.Call() == jobgraph.CallCheck || a.Number < 2 {
			return errors.New("no")
		}
		return nil
	})
	goal := job("c", passesAgain, job("b", passesAgain, twice), job("in place", fine))

	res := run(t, goal, quick())
	require.Equal(t, []string{"c1", "b1", "a2", "a1"}, order, "the latest first, each attempt whose Run began, and none that only checked")
	require.True(t, res.Reached)
	require.Equal(t, jobgraph.ExitCleanup, res.Exit())
	require.EqualError(t, res.Err(), `cleanup of job "b": stuck`)

	order = nil
	cfg := quick()
	cfg.NoCleanup = true
	res = run(t, goal, cfg)
	require.Empty(t, order)
	require.Len(t, res.Cleanup(t.Context()), 4)
	require.Empty(t, res.Cleanup(t.Context()), "nothing is left")
	require.Len(t, res.Cleanups, 4)

	order = nil
	_, err := graph(t, goal).Plan(t.Context(), quick())
	require.NoError(t, err)
	require.Empty(t, order)
}

func graph(t *testing.T, goal *jobgraph.Job) *jobgraph.Graph {
	t.Helper()
	g, err := jobgraph.New(goal)
	require.NoError(t, err)
	return g
}

// TestDelaysAreFromStartToStart, and hold up nobody else.
func TestDelaysAreFromStartToStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var starts []string
		job := func(name string, delay, work time.Duration) *jobgraph.Job {
			return &jobgraph.Job{Name: name, RetryDelay: &delay, Check: func(_ context.Context, a *jobgraph.Attempt) error {
				starts = append(starts, fmt.Sprint(name, time.Since(began)))
				time.Sleep(work)
				return errors.New("no")
			}}
		}
		res := run(t, jobgraph.Group("goal", job("slow ", 3*time.Second, time.Second), job("fast ", 100*time.Millisecond, 0)), jobgraph.Config{})
		require.Equal(t, []string{"slow 0s", "fast 1s", "fast 1.1s", "fast 1.2s", "slow 3s", "slow 6s"}, starts)
		require.Equal(t, 7*time.Second, res.Duration)
	})
}

func TestCancelStillCleansUp(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cleaned := false
	slow := &jobgraph.Job{
		Name: "slow",
		Run: func(ctx context.Context, _ *jobgraph.Attempt) error {
			cancel(errors.New("enough"))
			<-ctx.Done()
			return context.Cause(ctx)
		},
		Cleanup: func(ctx context.Context, _ *jobgraph.Attempt) error {
			cleaned = true
			return ctx.Err()
		},
	}
	res, err := jobgraph.Run(ctx, jobgraph.Group("goal", slow), jobgraph.Config{})
	require.NoError(t, err)
	require.True(t, cleaned)
	require.NoError(t, res.Cleanups[0].Err, "a cleanup's context outlives the run's")
	require.Equal(t, jobgraph.Canceled, res.Job("slow").State)
	require.Equal(t, jobgraph.Canceled, res.Job("goal").State)
	require.Equal(t, 1, res.Job("slow").Attempts)
	require.False(t, res.Reached)
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context, _ *jobgraph.Attempt) error { <-ctx.Done(); return ctx.Err() }
		res := run(t, &jobgraph.Job{Name: "j", Timeout: 5 * time.Second, Tries: 1, Check: hangs, Run: hangs}, jobgraph.Config{})
		require.ErrorContains(t, res.Jobs[0].Err, "timeout of 5s")
		require.ErrorIs(t, res.Jobs[0].Err, context.DeadlineExceeded)
		require.Equal(t, 15*time.Second, res.Duration, "each call has the time")
	})
}

func TestStopAtFailure(t *testing.T) {
	cfg := quick()
	cfg.StopAtFailure = true
	goal := jobgraph.Group("goal", &jobgraph.Job{Name: "first", Run: fine}, &jobgraph.Job{Name: "bad", Tries: 1, Run: says("no")}, &jobgraph.Job{Name: "later", Run: fine})
	res := run(t, goal, cfg)
	require.Equal(t, jobgraph.Succeeded, res.Job("first").State)
	require.Equal(t, jobgraph.Canceled, res.Job("later").State)
	require.Equal(t, jobgraph.Blocked, res.Job("goal").State)
	require.Zero(t, res.Job("later").Attempts)
}

func TestSelections(t *testing.T) {
	job := func(name string, deps ...*jobgraph.Job) *jobgraph.Job {
		return &jobgraph.Job{Name: name, Deps: deps, Run: fine}
	}
	a := job("a")
	b := job("b", a)
	c := job("c", b)
	goal := job("goal", c, job("side", a))
	for name, test := range map[string]struct {
		cfg  jobgraph.Config
		runs string // the jobs that ran
		left string // those that count as done
	}{
		"all":                       {runs: "a b c side goal"},
		"only":                      {cfg: jobgraph.Config{Only: []string{"b"}}, runs: "a b"},
		"only two":                  {cfg: jobgraph.Config{Only: []string{"b", "side"}}, runs: "a b side"},
		"except":                    {cfg: jobgraph.Config{Except: []string{"b"}}, runs: "a c side goal", left: "b"},
		"from":                      {cfg: jobgraph.Config{From: []string{"c"}}, runs: "c side goal", left: "a b"},
		"from, and only":            {cfg: jobgraph.Config{Only: []string{"c"}, From: []string{"b"}}, runs: "b c", left: "a"},
		"from one that is above":    {cfg: jobgraph.Config{From: []string{"b", "c"}}, runs: "b c side goal", left: "a"},
		"except the goal of others": {cfg: jobgraph.Config{Except: []string{"goal", "a"}}, runs: "b c side", left: "a goal"},
	} {
		t.Run(name, func(t *testing.T) {
			res := run(t, goal, test.cfg)
			runs, left := []string{}, []string{}
			for _, j := range res.Jobs {
				if j.State == jobgraph.Skipped {
					left = append(left, j.Name)
				} else {
					require.Equal(t, jobgraph.Succeeded, j.State, j.Name)
					runs = append(runs, j.Name)
				}
			}
			require.Equal(t, test.runs, strings.Join(runs, " "))
			require.Equal(t, test.left, strings.Join(left, " "))
			require.True(t, res.Reached)
		})
	}
	for cfg, want := range map[string]jobgraph.Config{
		`only: no job "B" below goal "goal": did you mean "b"?`: {Only: []string{"B"}},
		`except: no job "x" below goal "goal"`:                  {Except: []string{"x"}},
		`job "c": from: it is no part of this run`:              {Only: []string{"b"}, From: []string{"c"}},
	} {
		_, err := jobgraph.Run(t.Context(), goal, want)
		require.EqualError(t, err, cfg)
	}
}

type count struct{ n int }

func (c *count) Check(_ context.Context, a *jobgraph.Attempt) error {
	if c.n++; a.Number < 2 || c.n < 2 {
		return fmt.Errorf("call %d of attempt %d", c.n, a.Number)
	}
	return nil
}
func (c *count) Run(context.Context, *jobgraph.Attempt) error { return nil }

func TestATypeHasAValueForEachAttempt(t *testing.T) {
	res := run(t, jobgraph.Of("count", count{}), quick())
	require.True(t, res.Reached)
	require.Equal(t, 2, res.Jobs[0].Attempts, "the second attempt began with a fresh value")
	require.Equal(t, jobgraph.Achieved, res.Jobs[0].How)
	require.Equal(t, "call 1 of attempt 2", res.Jobs[0].Reason)
}

func TestOutputs(t *testing.T) {
	cpus := &jobgraph.Job{Name: "cpus"}
	out := jobgraph.OutputOf[int](cpus)
	cpus.Check = func(_ context.Context, a *jobgraph.Attempt) error { out.Set(a, 8); return nil }
	got := 0
	fan := &jobgraph.Job{Name: "fan", Deps: []*jobgraph.Job{jobgraph.Group("between", cpus)}, Check: func(_ context.Context, a *jobgraph.Attempt) (err error) {
		got, err = out.Get(a)
		return err
	}}
	stranger := &jobgraph.Job{Name: "stranger", Tries: 1, Check: func(_ context.Context, a *jobgraph.Attempt) error {
		_, err := out.Get(a)
		return err
	}}
	res := run(t, jobgraph.Group("goal", fan, stranger), quick())
	require.Equal(t, 8, got)
	require.Equal(t, 8, res.Job("cpus").Value)
	require.EqualError(t, res.Job("stranger").Err, `job "stranger" does not depend on job "cpus", whose output it reads: want it among its deps`)

	res = run(t, jobgraph.Group("goal", fan), jobgraph.Config{Except: []string{"cpus"}, Tries: 1})
	require.EqualError(t, res.Job("fan").Err, `job "cpus" has no result in this run`)
}

func TestStorages(t *testing.T) {
	var locals []int
	writer := &jobgraph.Job{Name: "writer", Tries: 2, Check: func(_ context.Context, a *jobgraph.Attempt) error {
		locals = append(locals, len(a.Local))
		a.Local[string(a.Call())] = true
		a.Shared.Do(func(m map[string]any) {
			n, _ := m["calls"].(int)
			m["calls"] = n + 1
		})
		return errors.New("no")
	}, Run: fine}
	reader := &jobgraph.Job{Name: "reader", When: task.Always, Deps: []*jobgraph.Job{writer}, Run: func(_ context.Context, a *jobgraph.Attempt) error {
		v, _ := a.Shared.Get("calls")
		a.SetResult([]any{v, a.Inputs["who"], a.Args[0]})
		return nil
	}}
	cfg := quick()
	cfg.Inputs, cfg.Args = map[string]any{"who": "me"}, []any{1}
	res := run(t, reader, cfg)
	require.Equal(t, []int{0, 1, 0, 1}, locals, "each attempt begins with an empty one")
	require.Equal(t, []any{4, "me", 1}, res.Job("reader").Value)
}

func TestPlan(t *testing.T) {
	port := &jobgraph.Job{Name: "open port", Check: says("port 80 closed"), Run: fine}
	dark := &jobgraph.Job{Name: "remote", Check: func(context.Context, *jobgraph.Attempt) error { return jobgraph.CannotTell(errors.New("no answer")) }, Run: fine}
	goal := jobgraph.Group("goal", jobgraph.Group("site", port, jobgraph.Group("disk")), dark, &jobgraph.Job{Name: "restart", Run: fine})
	plan, err := graph(t, goal).Plan(t.Context(), jobgraph.Config{})
	require.NoError(t, err)
	var lines []string
	for _, j := range plan.Jobs {
		lines = append(lines, j.Name+": "+j.String())
	}
	require.Equal(t, []string{
		"open port: would run: port 80 closed", "disk: in place", "site: would wait for open port", "remote: cannot tell: no answer",
		"restart: would run", "goal: would wait for site and 2 more",
	}, lines)
	require.False(t, plan.InPlace())
	require.Equal(t, 1, plan.Result.Passes)
}

func TestBadGraphs(t *testing.T) {
	job := func(name string, deps ...*jobgraph.Job) *jobgraph.Job {
		return &jobgraph.Job{Name: name, Deps: deps, Run: fine}
	}
	ring := job("a", job("b", job("c")))
	ring.Deps[0].Deps[0].Deps = []*jobgraph.Job{ring}
	self := job("self")
	self.Deps = []*jobgraph.Job{self}
	long := job("j0")
	at := long
	for i := range 99 {
		at.Deps = []*jobgraph.Job{job(fmt.Sprint("j", i+1))}
		at = at.Deps[0]
	}
	at.Deps = []*jobgraph.Job{long}
	for want, goal := range map[string]*jobgraph.Job{
		"the goal is nil: want a job": nil,
		"a cycle: a -> b -> c -> a":   job("goal", ring),
		`job "self": it needs itself`: job("goal", self),
		`job "x": two jobs of this name, below "p" and below "q": want a name of its own for each`: job("goal", job("p", job("x")), job("q", job("x"))),
		`job "goal": dep 2 is nil: want a job`:                                                     job("goal", job("a"), nil),
		"a job has no name: want 1 to 200 bytes":                                                   job("goal", job("")),
		`job "j": -1 tries: want at least 1, or 0 for those of the run`:                            {Name: "j", Tries: -1},
		`job "j": a retry delay of -1ns: want 0 or more`:                                           {Name: "j", RetryDelay: new(time.Duration(-1))},
		`job "j": a timeout of -1ns: want more than 0, or 0 for none`:                              {Name: "j", Timeout: -1},
		`job "j": when is 9: want all_ok, always or any_failed`:                                    {Name: "j", When: 9},
		"a cycle: j0 -> j1 -> j2 -> j3 -> j4 -> j5 -> j6 -> j7 -> j8 -> j9 -> ... 81 more ... -> j91 -> j92 -> j93 -> j94 -> j95 -> j96 -> j97 -> j98 -> j99 -> j0": long,
	} {
		_, err := jobgraph.Run(t.Context(), goal, jobgraph.Config{})
		require.EqualError(t, err, want)
		_, ok := errors.AsType[*jobgraph.DefinitionError](err)
		require.True(t, ok)
	}
	twice := job("a")
	require.Equal(t, []string{"a"}, run(t, job("goal", twice, twice), quick()).Jobs[1].Deps)
}

// TestAChainThatIsBlocked takes as long as its length, and no stack.
func TestAChainThatIsBlocked(t *testing.T) {
	goal := &jobgraph.Job{Name: "leaf", Run: says("no")}
	for i := range 100_000 {
		goal = jobgraph.Group(fmt.Sprint("j", i), goal)
	}
	res := run(t, goal, quick())
	require.Equal(t, jobgraph.Failed, res.Jobs[0].State)
	for _, j := range res.Jobs[1:] {
		require.Equal(t, jobgraph.Blocked, j.State)
	}
	require.ErrorContains(t, res.Err(), `100000 were not done; job "leaf": no`)
}
