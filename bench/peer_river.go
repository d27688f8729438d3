package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

type riverArgs struct {
	Num int    `json:"num"`
	Pad string `json:"pad"`
}

func (riverArgs) Kind() string { return "bench" }

var riverPad = strings.Repeat("x", 180)

func riverJobs(n int) []river.InsertManyParams {
	params := make([]river.InsertManyParams, n)
	for i := range params {
		params[i].Args = riverArgs{Num: i, Pad: riverPad}
	}
	return params
}

// riverClient is a River client, whatever its driver.
type riverClient interface {
	Start(context.Context) error
	Stop(context.Context) error
	InsertOne(context.Context, river.JobArgs) error
	InsertManyFast(context.Context, []river.InsertManyParams) (int, error)
	SubscribeConfig(*river.SubscribeConfig) (<-chan *river.Event, func())
}

type riverOn[T any] struct{ *river.Client[T] }

func (c riverOn[T]) InsertOne(ctx context.Context, args river.JobArgs) error {
	_, err := c.Insert(ctx, args, nil)
	return err
}

func riverTuned(c *river.Config) {
	c.FetchCooldown, c.FetchPollInterval = 2*time.Millisecond, 20*time.Millisecond // as in "river bench"
}

func riverDefault(*river.Config) {}

// river opens a client over a new database. work is nil for one that only inserts.
func (r *run) river(ctx context.Context, tune func(*river.Config), work func(context.Context, *river.Job[riverArgs]) error) (riverClient, func(), error) {
	config := &river.Config{Logger: slog.New(slog.DiscardHandler)}
	if work != nil {
		config.Queues = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: manySlots}}
		config.Workers = river.NewWorkers()
		river.AddWorker(config.Workers, river.WorkFunc(work))
	}
	tune(config)
	if r.database != "" {
		poolConfig, err := pgxpool.ParseConfig(r.database)
		if err != nil {
			return nil, nil, err
		}
		poolConfig.MaxConns = 20
		pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
		if err != nil {
			return nil, nil, err
		}
		c, err := newRiver(ctx, riverpgxv5.New(pool), config)
		return c, pool.Close, err
	}
	db, err := sql.Open(riverSQLite, "file:"+filepath.Join(r.Dir, "river.db")+riverSQLiteOptions)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	c, err := newRiver(ctx, riversqlite.New(db), config)
	return c, func() { _ = db.Close() }, err
}

func newRiver[T any](ctx context.Context, driver riverdriver.Driver[T], config *river.Config) (riverClient, error) {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: config.Logger})
	if err != nil {
		return nil, err
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	c, err := river.NewClient(driver, config)
	return riverOn[T]{c}, err
}

func noWork(context.Context, *river.Job[riverArgs]) error { return nil }

func riverBurn(ctx context.Context, r *run) error {
	_, err := r.riverBurnDown(ctx, func() (func(), error) { return func() {}, nil })
	return err
}

func riverHeld(ctx context.Context, r *run) error {
	marks, err := r.riverBurnDown(ctx, func() (func(), error) { return r.hold(ctx) })
	if err != nil {
		return err
	}
	tenth := float64(r.N) / 10
	r.tenths(tenth/marks[1].Sub(marks[0]).Seconds(), tenth/marks[10].Sub(marks[9]).Seconds())
	return nil
}

// riverBurnDown works a backlog off and counts by the subscription, which tells
// of a job after its completion is stored.
func (r *run) riverBurnDown(ctx context.Context, meanwhile func() (func(), error)) (marks [11]time.Time, err error) {
	c, closeIt, err := r.river(ctx, riverTuned, noWork)
	if err != nil {
		return marks, err
	}
	defer closeIt()
	if err := r.watchWAL(ctx); err != nil {
		return marks, err
	}
	if err := riverFill(ctx, c, r.N); err != nil {
		return marks, err
	}
	end, err := meanwhile()
	if err != nil {
		return marks, err
	}
	defer end()
	events, unsubscribe := c.SubscribeConfig(&river.SubscribeConfig{ChanSize: r.N + 1000, Kinds: []river.EventKind{river.EventKindJobCompleted}})
	defer unsubscribe()
	if err := r.begin(ctx); err != nil {
		return marks, err
	}
	marks[0] = r.began
	if err := c.Start(ctx); err != nil {
		return marks, err
	}
	for n := 1; n <= r.N; n++ {
		select {
		case <-events:
		case <-time.After(30 * time.Second):
			return marks, fmt.Errorf("only %d of %d jobs were completed", n-1, r.N)
		}
		if n*10%r.N == 0 {
			marks[n*10/r.N] = time.Now()
		}
	}
	if err := r.end(ctx, r.N); err != nil {
		return marks, err
	}
	return marks, c.Stop(ctx)
}

func riverFill(ctx context.Context, c riverClient, n int) error {
	return fromMany(n, 2, 5_000, func(n int) error {
		_, err := c.InsertManyFast(ctx, riverJobs(n))
		return err
	})
}

func riverInsert(ctx context.Context, r *run) error {
	return r.riverInserting(ctx, func(c riverClient) error {
		return fromMany(r.N, submitters, 1, func(int) error { return c.InsertOne(ctx, riverArgs{Pad: riverPad}) })
	})
}

func riverInsertMany(ctx context.Context, r *run) error {
	return r.riverInserting(ctx, func(c riverClient) error { return riverFill(ctx, c, r.N) })
}

func (r *run) riverInserting(ctx context.Context, insert func(riverClient) error) error {
	c, closeIt, err := r.river(ctx, riverDefault, nil)
	if err != nil {
		return err
	}
	defer closeIt()
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := insert(c); err != nil {
		return err
	}
	return r.end(ctx, r.N)
}

func riverLatency(tune func(*river.Config)) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		starts := make(chan start, 1)
		c, closeIt, err := r.river(ctx, tune, func(_ context.Context, j *river.Job[riverArgs]) error {
			starts <- start{j.Args.Num, time.Now()}
			return nil
		})
		if err != nil {
			return err
		}
		defer closeIt()
		if err := c.Start(ctx); err != nil {
			return err
		}
		err = r.atLowLoad(ctx, starts, func(i int) error { return c.InsertOne(ctx, riverArgs{Num: i, Pad: riverPad}) })
		if err != nil {
			return err
		}
		return c.Stop(ctx)
	}
}
