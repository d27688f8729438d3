package tour

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/push"
)

// demoApp is what a user's program would be: it receives pushes.
type demoApp struct {
	url    string
	server *http.Server

	mu       sync.Mutex
	first    map[string]time.Time // arrival of a task's first push
	last     time.Time            // arrival of the last push of the burst
	calls    map[string]int       // by task
	answered map[int]int          // by status
}

func startDemoApp(sender string) (*demoApp, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &demoApp{url: "http://" + l.Addr().String(), first: map[string]time.Time{}, calls: map[string]int{}, answered: map[int]int{}}
	verifier := &push.Verifier{KeysURL: sender}
	a.server = &http.Server{Handler: verifier.Middleware(a), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = a.server.Serve(l) }()
	return a, nil
}

func (a *demoApp) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = a.server.Shutdown(ctx)
}

// ServeHTTP answers as the path says.
func (a *demoApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := a.arrived(r)
	status, text := http.StatusOK, "done"
	switch r.URL.Path {
	case "/flaky":
		if call <= 2 {
			status, text = http.StatusInternalServerError, "the database is away"
		}
	case "/broken":
		status, text = http.StatusInternalServerError, "always broken"
	case "/busy":
		if call == 1 {
			w.Header().Set("Retry-After", "1")
			status, text = http.StatusTooManyRequests, "come back later"
		}
	case "/wrong":
		status, text = http.StatusUnprocessableEntity, "this will never work"
	case "/slow":
		time.Sleep(1500 * time.Millisecond) // the work of the app
	}
	if status == http.StatusInternalServerError || status == http.StatusTooManyRequests {
		w.Header().Set(push.HeaderRetry, "yes") // this task: the app is well, and takes others as fast as before
	}
	a.mu.Lock()
	a.answered[status]++
	a.mu.Unlock()
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// arrived notes a push and returns the how-many-eth of its task it is.
func (a *demoApp) arrived(r *http.Request) int {
	id, now := push.TaskOf(r).ID, time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls[id]++; a.calls[id] == 1 {
		a.first[id] = now
	}
	if r.URL.Path == "/burst" {
		a.last = now
	}
	return a.calls[id]
}

// statuses returns how often the app gave which answer.
func (a *demoApp) statuses() map[int]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[int]int{}
	maps.Copy(out, a.answered)
	return out
}

func (a *demoApp) firstPush(id string) (time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at, ok := a.first[id]
	return at, ok
}

func (a *demoApp) lastOfBurst() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}
