// Command webapp is an app that a Sendoff server pushes tasks to. It lets only
// requests through that carry the server's signature, and does each task once,
// however often it is pushed.
//
//	sendoff serve
//	go run ./examples/webapp
//	sendoff enqueue http://127.0.0.1:9000/welcome --payload '{"email":"ada@example.com"}' --wait
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/push"
)

func main() {
	sender := cmp.Or(os.Getenv("SENDOFF_URL"), sendoff.DefaultURL)
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:9000"),
		Handler:           newApp(sender, slog.Default()),
		ReadHeaderTimeout: 5 * time.Second,
	}
	slog.Info("waiting for pushes", slog.String("address", server.Addr), slog.String("sender", sender))
	if err := server.ListenAndServe(); err != nil {
		slog.Error("serve", slog.Any("err", err))
		os.Exit(1)
	}
}

// app sends welcome mails.
type app struct {
	log *slog.Logger

	mu   sync.Mutex
	done map[string]bool // by task id; a table with a unique key in a real app
}

// newApp returns the app's handler. sender is the URL of the server whose
// pushes are accepted; its keys are fetched from there.
func newApp(sender string, log *slog.Logger) http.Handler {
	a := &app{log: log, done: map[string]bool{}}
	mux := http.NewServeMux()
	verifier := &push.Verifier{KeysURL: sender}
	mux.Handle("POST /welcome", verifier.Middleware(push.HandlerFunc(a.welcome)))
	return mux
}

// welcome returns what is to become of the task: nil, it is done; Permanent, it
// will never work; another error, try again later.
func (a *app) welcome(w http.ResponseWriter, r *http.Request) error {
	var args struct{ Email string }
	if err := json.NewDecoder(r.Body).Decode(&args); err != nil || args.Email == "" {
		return push.Permanent(errors.New(`want {"email": ...}`))
	}
	t := push.TaskOf(r)
	if !a.once(t.ID) {
		fmt.Fprintln(w, "was done before")
		return nil
	}
	a.log.Info("welcome", slog.String("task_id", t.ID), slog.Int("attempt", t.Attempt))
	fmt.Fprintln(w, "welcomed")
	return nil
}

// once tells whether the task is new. A push can come twice, when an answer is
// lost on its way back.
func (a *app) once(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	fresh := !a.done[id]
	a.done[id] = true
	return fresh
}
