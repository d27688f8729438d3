package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// payload is what every task of ours carries; peers get as much.
var payload = append(append([]byte(`{"pad":"`), bytes.Repeat([]byte("x"), 190)...), `"}`...)

const (
	handlerName = "noop"
	manySlots   = 2000 // as many as River's own benchmark has workers
)

// floor opens the store that the group's name ends with.
func (r *run) floor(ctx context.Context) (store.Store, error) {
	if r.database != "" {
		return postgres.Open(ctx, r.database, postgres.Options{Migrate: true})
	}
	return sqlite.Open(ctx, filepath.Join(r.Dir, "sendoff.db"), sqlite.Options{})
}

// counted passes everything on to a store and notes how many tasks are settled.
type counted struct {
	store.Store
	want    int64
	settled atomic.Int64
	done    chan struct{}
	marks   [11]time.Time // when each tenth was settled, from the beginning on

	journals *journals // what is written for functions; nil = nobody asks
}

// countedShared keeps a shared store recognizable as one.
type countedShared struct {
	*counted
	store.Notifier
}

func count(s store.Store, want int) (*counted, store.Store) {
	c := &counted{Store: s, want: int64(want), done: make(chan struct{})}
	if n, shared := s.(store.Notifier); shared {
		return c, &countedShared{c, n}
	}
	return c, c
}

// Settle implements store.Settler.
func (c *counted) Settle(ctx context.Context, ts []store.Transition) ([]error, []store.Woken, error) {
	errs, woken, err := c.Store.Settle(ctx, ts)
	if err != nil {
		return errs, woken, err
	}
	if c.journals != nil {
		c.journals.settled(ts, errs)
	}
	for i := range ts {
		if errs[i] != nil || !ts[i].Decision.To.Final() {
			continue
		}
		n := c.settled.Add(1)
		if n*10%c.want < 10 {
			c.marks[min(n*10/c.want, 10)] = time.Now()
		}
		if n == c.want {
			close(c.done)
		}
	}
	return errs, woken, nil
}

// tenths returns the rates of the first and of the last tenth.
func (c *counted) tenths() (first, last float64) {
	of := func(from, to int) float64 {
		return float64(c.want) / 10 / c.marks[to].Sub(c.marks[from]).Seconds()
	}
	return of(0, 1), of(9, 10)
}

// inFull waits until all tasks are settled, or nothing was written for a while.
func (c *counted) inFull(ctx context.Context) error {
	const patience = 20 * time.Second
	look := time.NewTicker(patience)
	defer look.Stop()
	for before := int64(0); ; {
		select {
		case <-c.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
		now := c.settled.Load()
		if c.journals != nil {
			now += c.journals.checkpoints.Load()
		}
		if now == before {
			lanes, _ := c.Stats(ctx)
			return fmt.Errorf("only %d of %d tasks were settled, and nothing was for %s; the lanes: %+v", c.settled.Load(), c.want, patience, lanes)
		}
		before = now
	}
}

// fill stores n tasks by SubmitMany from two callers.
func fill(ctx context.Context, e *engine.Engine, n int, t engine.Task) error {
	return fillWith(ctx, e, n, t, plain)
}

// fillWith is fill, with something of its own in each task.
func fillWith(ctx context.Context, e *engine.Engine, n int, t engine.Task, shape func(n int, t *engine.Task)) error {
	var stored atomic.Int64
	return fromMany(n, 2, task.MaxBatch, func(n int) error {
		subs := make([]engine.Task, n)
		for i := range subs {
			subs[i] = t
			subs[i].Body = payload
			shape(int(stored.Add(1)), &subs[i])
		}
		results, err := e.SubmitMany(ctx, subs, true)
		for _, res := range results {
			if err == nil && res.Status != engine.Created {
				err = fmt.Errorf("submission refused: status %s", res.Status)
			}
		}
		return err
	})
}

// fromMany shares n among callers who do step for at most batch of them at a time.
func fromMany(n, callers, batch int, step func(n int) error) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for errs[i] == nil {
				rest := int(left.Add(-int64(batch))) + batch
				if rest <= 0 {
					return
				}
				errs[i] = step(min(rest, batch))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// running runs an engine until stop is called.
func running(ctx context.Context, e *engine.Engine) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	return func() error {
		cancel()
		return <-over
	}
}

// local is a task for the handler, with a payload.
func local(payload []byte) engine.Task { return engine.Task{Handler: handlerName, Body: payload} }

func newID() task.ID { return task.ID(uuid.Must(uuid.NewV7())) }

// floors makes the same cases for both.
func floors(group string, each func(group string) []benchCase) (cases []benchCase) {
	for _, f := range []string{"sqlite", "postgres"} {
		cases = append(cases, each(group+"/"+f)...)
	}
	return cases
}

func onPostgres(group string) bool { return strings.HasSuffix(group, "/postgres") }
