package sendoff_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// exampleServer is a server for one example, with a handler "welcome" that fails
// for one address. In a program, NewClient finds the server by its URL.
func exampleServer(ctx context.Context) (client *sendoff.Client, stop func()) {
	dir, err := os.MkdirTemp("", "sendoff-example")
	fatal(err)
	db, err := sqlite.Open(ctx, filepath.Join(dir, "sendoff.db"), sqlite.Options{})
	fatal(err)
	e, err := engine.New(db, engine.Config{})
	fatal(err)
	engine.Handle(e, "welcome", func(_ context.Context, address string) error {
		if address == "nowhere" {
			return sendoff.Permanent(errors.New("no such address"))
		}
		return nil
	})
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	client, err = sendoff.NewClient(sendoff.ClientConfig{URL: door.URL})
	fatal(err)
	return client, func() {
		door.Close()
		cancel()
		fatal(<-ended)
		fatal(db.Close())
		fatal(os.RemoveAll(dir))
	}
}

func fatal(err error) {
	if err != nil {
		panic(err)
	}
}

func ExampleClient() {
	ctx := context.Background()
	client, stop := exampleServer(ctx)
	defer stop()

	t, err := client.Submit(ctx, sendoff.NewTask{Handler: "welcome", Payload: "ada@example.com"})
	if err != nil {
		fmt.Println(err) // a *Problem when the server refused it
		return
	}
	t, err = client.Wait(ctx, t.ID)
	fmt.Println(t.State, t.Attempts, err)
	// Output: succeeded 1 <nil>
}

// A submission that is repeated, also by another process, is one task.
func ExampleClient_Submit() {
	ctx := context.Background()
	client, stop := exampleServer(ctx)
	defer stop()

	order := sendoff.NewTask{Handler: "welcome", Payload: "ada@example.com", ID: "welcome-ada", Delay: time.Hour}
	_, err := client.Submit(ctx, order)
	fmt.Println(err)
	_, err = client.Submit(ctx, order)
	fmt.Println(sendoff.IsConflict(err))
	// Output:
	// <nil>
	// true
}

func ExampleTasks() {
	ctx := context.Background()
	client, stop := exampleServer(ctx)
	defer stop()

	bad, err := client.Submit(ctx, sendoff.NewTask{Handler: "welcome", Payload: "nowhere", Queue: "mail"})
	fatal(err)
	_, err = client.Wait(ctx, bad.ID)
	fatal(err)

	for t, err := range client.Tasks.List(ctx, sendoff.Filter{Queue: "mail", States: []sendoff.State{sendoff.StateFailed}}) {
		fatal(err)
		fmt.Println(t.State, t.Reason, t.LastError)
		for a, err := range client.Tasks.Attempts(ctx, t.ID) {
			fatal(err)
			fmt.Println("attempt", a.Number, a.Outcome)
		}
		again, err := client.Tasks.Retry(ctx, t.ID)
		fatal(err)
		fmt.Println("run", again.Run)
	}
	// Output:
	// failed rejected no such address
	// attempt 1 reject
	// run 2
}

func ExampleQueues() {
	ctx := context.Background()
	client, stop := exampleServer(ctx)
	defer stop()

	_, err := client.Submit(ctx, sendoff.NewTask{Handler: "welcome", Payload: "ada@example.com", Queue: "mail", Delay: time.Hour})
	fatal(err)
	q, err := client.Queues.Update(ctx, "mail", sendoff.QueueSettings{Timeout: 10 * time.Second})
	fmt.Println(q.Effective.Timeout, err)
	q, err = client.Queues.Pause(ctx, "mail")
	fmt.Println(q.Name, q.Paused, err)
	fmt.Println(client.Queues.Purge(ctx, "mail"))
	// Output:
	// 10s <nil>
	// mail true <nil>
	// 1 <nil>
}
