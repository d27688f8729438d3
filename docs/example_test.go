package docs_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/push"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// The code of the pages, compiled. TestGoCodeInThePagesIsCompiled finds it here.

func submit(ctx context.Context) error {
	client, err := sendoff.NewClient(sendoff.ClientConfig{}) // SENDOFF_URL, or http://127.0.0.1:4450
	if err != nil {
		return err
	}
	t, err := client.Submit(ctx, sendoff.NewTask{
		URL:     "http://127.0.0.1:9000/hook",
		Payload: map[string]string{"hello": "world"},
		Retry:   &sendoff.RetryPolicy{MaxAttempts: 5},
	})
	if err != nil {
		return err // a *sendoff.Problem when the server refused it
	}
	t, err = client.Wait(ctx, t.ID)
	if err != nil {
		return err
	}
	fmt.Println(t.State, t.Attempts)
	return nil
}

func steer(ctx context.Context, client *sendoff.Client) error {
	for t, err := range client.Tasks.List(ctx, sendoff.Filter{States: []sendoff.State{sendoff.StateFailed}, Queue: "mail"}) {
		if err != nil {
			return err
		}
		if _, err := client.Tasks.Retry(ctx, t.ID); err != nil {
			return err
		}
	}
	_, err := client.Queues.Pause(ctx, "mail")
	return err
}

func changeTask(ctx context.Context, client *sendoff.Client) error {
	_, err := client.Tasks.Change(ctx, "report-7", sendoff.TaskChange{
		Delay: 10 * time.Minute, Queue: "reports", Labels: map[string]string{"customer": "8"},
	}, "expires_at") // and these have their defaults again
	return err
}

func follow(ctx context.Context, client *sendoff.Client) error {
	for e, err := range client.Tasks.Tail(ctx, "queue:mail") {
		if err != nil {
			return err
		}
		fmt.Println(e.At, e.Type, e.Task.ID)
	}
	return nil
}

func limited(ctx context.Context, client *sendoff.Client) (*sendoff.Task, error) {
	t, err := client.Submit(ctx, sendoff.NewTask{
		URL:      "http://127.0.0.1:9000/export",
		Limits:   []sendoff.Limit{{Key: "customer:42", Concurrency: 5}, {Key: "api.acme.com", Rate: "100/s", Burst: 20}},
		OrderKey: "order-7",
	})
	return t, err
}

func receive() {
	v := &push.Verifier{KeysURL: "http://127.0.0.1:4450"}
	http.Handle("POST /hook", v.Middleware(push.HandlerFunc(hook)))
	log.Fatal(http.ListenAndServe("127.0.0.1:9000", nil))
}

func hook(_ http.ResponseWriter, r *http.Request) error {
	t := push.TaskOf(r)
	var mail Mail
	if err := json.NewDecoder(r.Body).Decode(&mail); err != nil {
		return push.Permanent(err) // never again
	}
	if t.Final {
		log.Println("the last attempt of", t.ID)
	}
	return send(r.Context(), mail) // nil: done; an error: again after the backoff
}

type Mail struct{ To string }

func send(context.Context, Mail) error { return nil }

func receiveWebhook() *push.Verifier {
	v := &push.Verifier{WebhookSecrets: []string{os.Getenv("SENDOFF_WEBHOOK_SECRET")}}
	return v
}

func once(db *sql.DB) push.HandlerFunc {
	charge := func(_ http.ResponseWriter, r *http.Request) error {
		tx, err := db.BeginTx(r.Context(), nil)
		if err != nil {
			return err // tried again
		}
		defer tx.Rollback()
		res, err := tx.ExecContext(r.Context(),
			`insert into done (task_id) values ($1) on conflict do nothing`, push.TaskOf(r).ID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // nil: done by an earlier attempt
		}
		if _, err := tx.ExecContext(r.Context(), `update account set balance = balance - 10 where id = 7`); err != nil {
			return err
		}
		return tx.Commit() // a commit that did happen is found above
	}
	return charge
}

func fence(ctx context.Context, db *sql.DB, r *http.Request) (bool, error) {
	t := push.TaskOf(r)
	res, err := db.ExecContext(ctx, `insert into fence (task_id, token) values ($1, $2)
		on conflict (task_id) do update set token = excluded.token where excluded.token > fence.token`, t.ID, t.Token)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err // false: a later attempt was here, do nothing
}

type Welcome struct {
	Email string `json:"email"`
}

func embed() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	db, err := sqlite.Open(ctx, "app.db", sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	e, err := engine.New(db, engine.Config{AllowLoopback: true})
	if err != nil {
		log.Fatal(err)
	}
	engine.Handle(e, "welcome", func(ctx context.Context, w Welcome) error {
		log.Println("welcome", w.Email)
		return nil
	})

	if _, err := e.Submit(ctx, engine.Task{
		Handler: "welcome",
		Payload: Welcome{Email: "ada@example.com"},
	}); err != nil {
		log.Fatal(err)
	}
	if err := e.Run(ctx); err != nil { // until ctx ends, then a clean stop
		log.Fatal(err)
	}
}

func mount(e *engine.Engine, index http.Handler) {
	mux := http.NewServeMux()
	mux.Handle("/", index)
	doors := e.Handler(engine.HandlerConfig{APIKeys: []string{os.Getenv("SENDOFF_API_KEY")}})
	for _, path := range []string{"/v1/", "/metrics", "/livez", "/readyz", "/openapi.json", "/.well-known/sendoff-keys"} {
		mux.Handle(path, doors)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", mux))
}

func people(e *engine.Engine, mux *http.ServeMux, session func(*http.Request) (user string, operator, ok bool)) {
	mux.Handle("/admin/sendoff/", e.Console("/admin/sendoff", func(r *http.Request) (engine.Visitor, bool) {
		user, operator, ok := session(r) // of your own login
		scopes := []string{"read"}
		if operator {
			scopes = append(scopes, "payloads", "operate")
		}
		return engine.Visitor{Name: user, Scopes: scopes}, ok
	}))
}

func ends(e *engine.Engine, call func(context.Context) (busy time.Duration, gone bool, err error)) {
	e.HandleFunc("call", func(ctx context.Context, c *engine.Call) error {
		log.Println("attempt", c.Attempt, "of", c.MaxAttempts, "token", c.Token)
		busy, gone, err := call(ctx) // ctx ends with the timeout, a cancel or a stop
		switch {
		case gone:
			return sendoff.Permanent(err) // failed, reason rejected
		case busy > 0 && err != nil:
			return sendoff.RetryAfter(err, busy) // spends an attempt, waits that long
		case busy > 0:
			return sendoff.Snooze(busy) // spends none
		}
		return err // nil: succeeded; other: retried after the backoff
	})
}

func submitTx(ctx context.Context, e *engine.Engine, db *postgres.Store, pool *pgxpool.Pool) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, `insert into orders (id) values (42)`); err != nil {
		return err
	}
	if _, err := e.SubmitTx(ctx, db.In(tx), engine.Task{URL: "http://127.0.0.1:9000/ship", Payload: map[string]int{"order": 42}}); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func again(ctx context.Context, e *engine.Engine, id string) error {
	t, err := e.Tasks().Wait(ctx, id, time.Minute)
	if err != nil {
		return err
	}
	if t.State == task.Failed {
		log.Println("failed:", t.Reason, t.LastError, "after", t.Attempts, "attempts")
		_, err = e.Tasks().Retry(ctx, id)
	}
	return err
}

func submitTurn(ctx context.Context, e *engine.Engine, db *sqlite.Store) error {
	return db.Tx(ctx, func(turn *sqlite.Turn) error {
		if _, err := turn.ExecContext(ctx, `insert into customer (email) values ('ada@example.com')`); err != nil {
			return err
		}
		_, err := e.SubmitTx(ctx, turn, engine.Task{Handler: "welcome", Payload: Welcome{Email: "ada@example.com"}})
		return err
	})
}

var _ = []any{submit, steer, limited, follow, changeTask, receive, receiveWebhook, once, fence, embed, mount, people, ends, submitTx, submitTurn, again}
