package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite" // its SQLite mode
)

// What a workflow of DBOS does: the same as ours.
const (
	dbosSteps    = "steps"    // one after the other
	dbosChildren = "children" // one child workflow each, as our calls are
	dbosGo       = "go"       // its own way to run steps at once
)

func dbosStepsFlow(ctx dbos.Context, a fnArgs) (int, error) {
	total := 0
	for i := range a.Count {
		n, err := dbos.RunAsStep(ctx, func(context.Context) (int, error) { return a.From + i, nil }, dbos.WithStepName("add"))
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func dbosSame(_ dbos.Context, n int) (int, error) { return n, nil }

func dbosChildrenFlow(ctx dbos.Context, a fnArgs) (int, error) {
	handles := make([]dbos.WorkflowHandle[int], a.Count)
	for i := range handles {
		var err error
		if handles[i], err = dbos.RunWorkflow(ctx, dbosSame, a.From+i); err != nil {
			return 0, err
		}
	}
	total := 0
	for _, h := range handles {
		n, err := h.GetResult()
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

func dbosGoFlow(ctx dbos.Context, a fnArgs) (int, error) {
	outcomes := make([]<-chan dbos.StepOutcome[int], a.Count)
	for i := range outcomes {
		var err error
		outcomes[i], err = dbos.Go(ctx, func(context.Context) (int, error) { return a.From + i, nil }, dbos.WithStepName("same"))
		if err != nil {
			return 0, err
		}
	}
	total := 0
	for _, ch := range outcomes {
		o := <-ch
		if o.Err != nil {
			return 0, o.Err
		}
		total += o.Result
	}
	return total, nil
}

// withFull gives a peer on SQLite, which DBOS opens with synchronous=NORMAL, a
// second row that syncs every commit, as all others here do.
func withFull(group string, peer benchCase) []benchCase {
	if onPostgres(group) {
		return []benchCase{peer}
	}
	normal := peer
	normal.Who += "-normal"
	return []benchCase{peer, normal}
}

func (r *run) dbosURL() string {
	switch {
	case r.database != "":
		return r.database
	case strings.HasSuffix(r.who, "-normal"):
		return "sqlite:" + filepath.Join(r.Dir, "dbos.db")
	}
	return "sqlite:" + filepath.Join(r.Dir, "dbos.db") + "?_pragma=synchronous(FULL)"
}

// dbos has n workflows do count things each, started from 64 goroutines that wait
// for their results, over its default pool of 20 connections; with 256, or with 64
// connections, it is no faster.
func (r *run) dbos(ctx context.Context, kind string, n, count, units int) error {
	c, err := dbos.NewContext(ctx, dbos.Config{
		DatabaseURL: r.dbosURL(), AppName: "bench", ApplicationVersion: "1", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	flow := map[string]dbos.Workflow[fnArgs, int]{dbosSteps: dbosStepsFlow, dbosChildren: dbosChildrenFlow, dbosGo: dbosGoFlow}[kind]
	dbos.RegisterWorkflow(c, flow)
	dbos.RegisterWorkflow(c, dbosSame)
	if err := dbos.Launch(c); err != nil {
		return err
	}
	defer func() { _ = dbos.Shutdown(c, 10*time.Second) }()
	var options []dbos.WorkflowOption
	var wait []dbos.GetResultOption
	if strings.HasSuffix(r.who, "-queue") {
		// Its default looks once a second.
		q, err := dbos.RegisterQueue(c, "bench", dbos.WithQueueBasePollingInterval(10*time.Millisecond), dbos.WithWorkerConcurrency(256))
		if err != nil {
			return err
		}
		options = append(options, dbos.WithQueue(q))
		wait = append(wait, dbos.WithHandlePollingInterval(50*time.Millisecond))
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	written := diskWritten()
	var next, sum atomic.Int64
	handles := make([]dbos.WorkflowHandle[int], n)
	finish := func(h dbos.WorkflowHandle[int]) error {
		got, err := h.GetResult(wait...)
		sum.Add(int64(got))
		return err
	}
	start := func(int) error {
		i := int(next.Add(1)) - 1
		a := fnArgs{From: i, Count: count}
		if count < 100 {
			a.Pad = riverPad
		}
		h, err := dbos.RunWorkflow(c, flow, a, options...)
		if err != nil || options != nil {
			handles[i] = h
			return err
		}
		return finish(h)
	}
	if err := fromMany(n, submitters, 1, start); err != nil {
		return fmt.Errorf("dbos: %w", err)
	}
	if options != nil {
		var wanted atomic.Int64
		if err := fromMany(n, 4, 1, func(int) error { return finish(handles[wanted.Add(1)-1]) }); err != nil {
			return err
		}
	}
	if err := r.end(ctx, units); err != nil {
		return err
	}
	r.sizes(written, units)
	return checkSum(int(sum.Load()), n, count)
}
