package engine_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

type Welcome struct {
	Email string `json:"email"`
}

// A program with an engine of its own: a handler, a task, and its end.
func Example() {
	dir, err := os.MkdirTemp("", "sendoff")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(context.Background())

	db, err := sqlite.Open(ctx, filepath.Join(dir, "app.db"), sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	e, err := engine.New(db, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}
	engine.Handle(e, "welcome", func(ctx context.Context, w Welcome) error { // before Run
		fmt.Println("welcome,", w.Email)
		return nil
	})
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()

	r, err := e.Submit(ctx, engine.Task{Handler: "welcome", Payload: Welcome{Email: "ada@example.com"}})
	if err != nil {
		log.Fatal(err)
	}
	t, err := e.Tasks().Wait(ctx, r.ID, time.Minute)
	fmt.Println(t.State, err)

	stop()
	fmt.Println(<-ended, db.Close()) // a clean stop
	// Output:
	// welcome, ada@example.com
	// succeeded <nil>
	// <nil> <nil>
}

// With SQLite, tasks and the program's own tables are in one file, and change in one
// transaction. With PostgreSQL it is e.SubmitTx(ctx, db.In(tx), ...) for a pgx.Tx.
func ExampleEngine_SubmitTx() {
	dir, err := os.MkdirTemp("", "sendoff")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	db, err := sqlite.Open(ctx, filepath.Join(dir, "app.db"), sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	e, err := engine.New(db, engine.Config{})
	if err != nil {
		log.Fatal(err)
	}

	for _, table := range []string{"customer", "costumer"} {
		var id string
		err := db.Tx(ctx, func(tx *sqlite.Turn) error {
			if _, err := tx.ExecContext(ctx, "create table if not exists customer (email text)"); err != nil {
				return err
			}
			r, err := e.SubmitTx(ctx, tx, engine.Task{Handler: "welcome", Payload: Welcome{Email: "ada@example.com"}})
			if err != nil {
				return err
			}
			id = r.ID
			_, err = tx.ExecContext(ctx, "insert into "+table+" values ('ada@example.com')") //nolint:gosec // one of two names
			return err
		})
		_, gone := e.Tasks().Get(ctx, id)
		fmt.Println(table+": written:", err == nil, "submitted:", gone == nil)
	}
	// Output:
	// customer: written: true submitted: true
	// costumer: written: false submitted: false
}
