// Command embed runs Sendoff inside a program of its own, without HTTP: a shop
// that keeps its orders and its tasks in one SQLite file, and writes an order
// and the task that handles it in one transaction. Either both are there after
// a crash, or neither is.
//
//	go run ./examples/embed shop.db
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

func main() {
	path := "shop.db"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, path, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// order is the payload of the tasks.
type order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
}

// shop sells things. Its orders are rows beside the engine's own.
type shop struct {
	db     *sqlite.Store
	engine *engine.Engine
	out    io.Writer
}

func run(ctx context.Context, path string, out io.Writer) error {
	db, err := sqlite.Open(ctx, path, sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	e, err := engine.New(db, engine.Config{})
	if err != nil {
		return err
	}
	s := &shop{db: db, engine: e, out: out}
	engine.Handle(e, "ship", s.ship) // before Run

	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(running) }()
	sellErr := s.day(ctx)
	stop()
	return errors.Join(sellErr, <-ended)
}

// day sells something, tries to sell nothing, and waits for the parcels.
func (s *shop) day(ctx context.Context) error {
	if err := s.createTable(ctx); err != nil {
		return err
	}
	var ids []string
	for _, o := range []order{{"lamp", 2}, {"chair", 4}} {
		id, err := s.sell(ctx, o)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if _, err := s.sell(ctx, order{"table", 0}); err != nil {
		fmt.Fprintln(s.out, "not sold:", err)
	}
	for _, id := range ids {
		t, err := s.engine.Tasks().Wait(ctx, id, time.Minute)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "task %s after %d attempts\n", t.State, t.Attempts)
	}
	return nil
}

func (s *shop) createTable(ctx context.Context) error {
	return s.db.Tx(ctx, func(tx *sqlite.Turn) error {
		_, err := tx.ExecContext(ctx, `create table if not exists shop_order (item text not null, count integer not null check (count > 0))`)
		return err
	})
}

// sell writes the order and its task together and returns the task's id.
func (s *shop) sell(ctx context.Context, o order) (id string, err error) {
	err = s.db.Tx(ctx, func(tx *sqlite.Turn) error {
		task, err := s.engine.SubmitTx(ctx, tx, engine.Task{Handler: "ship", Name: o.Item, Payload: o, Retry: soon})
		if err != nil {
			return err
		}
		id = task.ID
		_, err = tx.ExecContext(ctx, `insert into shop_order (item, count) values (?, ?)`, o.Item, o.Count)
		return err // undoes the task as well
	})
	return id, err
}

// soon is how a parcel is tried again.
var soon = task.RetryPolicy{MinBackoff: 100 * time.Millisecond}

// ship handles a task. A task can run twice, when a process died between its end
// and the record of it, so a real one would ask the carrier with the task's id
// as the idempotency key.
func (s *shop) ship(ctx context.Context, o order) error {
	call, _ := engine.CallOf(ctx)
	if o.Count > 100 {
		return sendoff.Permanent(errors.New("the van is too small")) // no retry will change that
	}
	if call.Attempt == 1 && o.Item == "chair" {
		return errors.New("the carrier does not answer") // tried again after the backoff
	}
	fmt.Fprintf(s.out, "shipped %d x %s\n", o.Count, o.Item)
	return nil
}
