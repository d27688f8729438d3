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
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff"
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
	verifier := &sendoff.Verifier{KeysURL: sender}
	mux.Handle("POST /welcome", verifier.Middleware(http.HandlerFunc(a.welcome)))
	return mux
}

// welcome answers with what is to become of the task: 200 it is done, 422 it
// will never work, 500 try again later.
func (a *app) welcome(w http.ResponseWriter, r *http.Request) {
	var args struct{ Email string }
	if err := json.NewDecoder(r.Body).Decode(&args); err != nil || args.Email == "" {
		http.Error(w, "want {\"email\": ...}", http.StatusUnprocessableEntity)
		return
	}
	id := r.Header.Get("Sendoff-Task-Id")
	if !a.once(id) {
		fmt.Fprintln(w, "was done before")
		return
	}
	a.log.Info("welcome", slog.String("task_id", id), slog.String("attempt", r.Header.Get("Sendoff-Attempt")))
	fmt.Fprintln(w, "welcomed")
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
