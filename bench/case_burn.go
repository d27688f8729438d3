package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// Burn-down: a backlog of tasks that do nothing is worked off in process, until
// the last one is settled.
func burnCases() []benchCase {
	return floors("burn", func(group string) []benchCase {
		river := benchCase{Group: group, Who: "river", N: 4_000, Short: 2_000, do: riverBurn}
		if onPostgres(group) {
			river.N, river.Short = 100_000, 20_000
		}
		return []benchCase{{Group: group, Who: "sendoff", N: 100_000, Short: 20_000, do: burn}, river}
	})
}

func burn(ctx context.Context, r *run) error { return r.burnAlone(ctx, plain) }

// What gates cost in a burn-down: each task has a limit of its own, or all stand in
// line at order keys, so that each end lets the next one in. With few keys no batch
// can be larger than these are many; with as many as there are slots, batches are as they
// are without gates.
func gateCases() []benchCase {
	const few, many = 100, manySlots
	all, tenth, same := func(n int) int { return n }, func(n int) int { return n / 10 }, func(int) int { return few } // for peers, which do fewer
	ordered := func(keys int) func(int, *engine.Task) {
		return func(n int, t *engine.Task) { t.OrderKey = strconv.Itoa(n % keys) }
	}
	return slices.Concat(
		floors("burn-key", burnWith(all, func(n int, t *engine.Task) { t.Limits = []task.Limit{{Key: strconv.Itoa(n), Concurrency: 1}} })),
		floors("burn-handover", burnWith(tenth, ordered(many))),
		floors("burn-line", burnWith(same, ordered(few))))
}

func burnWith(keys func(n int) int, gates func(n int, t *engine.Task)) func(group string) []benchCase {
	return func(group string) []benchCase {
		_, floor, _ := strings.Cut(group, "/")
		ours := benchCase{Group: group, Who: "sendoff", Beside: "burn/" + floor, N: 50_000, Short: 20_000, do: func(ctx context.Context, r *run) error {
			return r.burnAlone(ctx, gates)
		}}
		return append([]benchCase{ours}, npmCases(group, keys)...)
	}
}

// plain leaves a task as it is.
func plain(int, *engine.Task) {}

func (r *run) burnAlone(ctx context.Context, shape func(n int, t *engine.Task)) error {
	_, err := r.burnDown(ctx, shape, func() (func(), error) { return func() {}, nil })
	return err
}

// burnDown works off a backlog of tasks in their shape; meanwhile something else goes on.
func (r *run) burnDown(ctx context.Context, shape func(n int, t *engine.Task), meanwhile func() (stop func(), err error)) (*counted, error) {
	return r.burnFilled(ctx, func(e *engine.Engine) error { return fillWith(ctx, e, r.N, local(nil), shape) }, meanwhile)
}

// burnFilled is burnDown of a backlog that is stored by fill.
func (r *run) burnFilled(ctx context.Context, fill func(*engine.Engine) error, meanwhile func() (stop func(), err error)) (*counted, error) {
	s, err := r.floor(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	c, wrapped := count(s, r.N)
	e, err := engine.New(wrapped, engine.Config{LocalSlots: manySlots})
	if err != nil {
		return nil, err
	}
	e.HandleFunc(handlerName, func(context.Context, *engine.Call) error { return nil })
	if err := r.watchWAL(ctx); err != nil {
		return nil, err
	}
	if err := fill(e); err != nil {
		return nil, err
	}
	end, err := meanwhile()
	if err != nil {
		return nil, err
	}
	defer end()
	return c, r.workOffBy(ctx, e, c)
}

// workOffBy measures an engine from its start to the last settled task.
func (r *run) workOffBy(ctx context.Context, e *engine.Engine, c *counted) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	c.marks[0] = r.began
	stop := running(ctx, e)
	if err := c.inFull(ctx); err != nil {
		return fmt.Errorf("%w; %d in flight", err, e.InFlight())
	}
	if err := r.end(ctx, r.N); err != nil {
		return err
	}
	return stop()
}

// What turns cost in a burn-down: the tasks are of so many groups, all of which wait.
func fairCases() []benchCase {
	fair := func(groups int) func(group string) []benchCase {
		return func(group string) []benchCase {
			_, floor, _ := strings.Cut(group, "/")
			return []benchCase{{Group: group, Who: "sendoff", Beside: "burn/" + floor, N: 50_000, Short: 20_000, do: func(ctx context.Context, r *run) error {
				shape := func(n int, t *engine.Task) { t.Group = strconv.Itoa(n % groups) }
				_, err := r.burnFilled(ctx, func(e *engine.Engine) error {
					if _, err := e.Queues().Set(ctx, task.DefaultQueue, task.QueueSettings{Discipline: task.Fair}); err != nil {
						return err
					}
					return fillWith(ctx, e, r.N, local(nil), shape)
				}, func() (func(), error) { return func() {}, nil })
				return err
			}}}
		}
	}
	return slices.Concat(floors("burn-fair10", fair(10)), floors("burn-fair100", fair(100)))
}
