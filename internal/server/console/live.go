package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/events"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/store"
)

// How often a page is told that something changed.
const (
	listLeast = time.Second            // from one time to the next, of lists
	taskLeast = 250 * time.Millisecond // of a single task
	tick      = 5 * time.Second        // though nothing was heard, for what no event tells
	liveMost  = 10 * time.Minute       // then the browser asks again, with its session
)

// liveStreams is how many streams a node has at a time; further pages poll.
const liveStreams = 500

// live tells a page that something changed that it shows, and nothing else: the page then
// asks for itself again.
func (d *door) live(w http.ResponseWriter, r *http.Request) error {
	text := r.URL.Query().Get("topics")
	topics, bad := events.ParseTopics(text)
	if bad != "" {
		return wrong("topics has %q: want tasks, queue:NAME or task:ID", bad)
	}
	select {
	case d.streams <- struct{}{}:
		defer func() { <-d.streams }()
	default:
		return problem.New(http.StatusServiceUnavailable, "overloaded", fmt.Sprintf("this node has %d live pages, which is all it takes", liveStreams))
	}
	l, _ := d.cfg.Events.Listen(0)
	defer l.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	p := &pulse{least: listLeast, sent: time.Now()}
	if strings.HasPrefix(text, "task:") {
		p.least = taskLeast
	}
	namespace := auth.Namespace(r.Context())
	if namespace == 0 {
		namespace = store.DefaultNamespace
	}
	send := sender(w)
	for end, ok := time.Now().Add(liveMost), send("retry: 2000\n\n"); ok && time.Now().Before(end); {
		e, _, over := l.Next(r.Context(), p.wait(time.Now()))
		if over {
			return nil
		}
		if e != nil && text != "" && (e.Type == events.Reset || e.Namespace == namespace) && topics.Has(e) {
			p.due = true
		}
		if why := p.beat(time.Now()); why != "" {
			ok = send("event: change\ndata: " + why + "\n\n")
		}
	}
	return nil
}

// sender sends text at once, and tells whether the browser is still there.
func sender(w http.ResponseWriter) func(string) bool {
	to := http.NewResponseController(w)
	return func(text string) bool {
		_ = to.SetWriteDeadline(time.Now().Add(30 * time.Second)) // a server without deadlines has none to move
		_, err := w.Write([]byte(text))
		return err == nil && to.Flush() == nil
	}
}

// pulse says when a page is told.
type pulse struct {
	least time.Duration // from one time to the next
	sent  time.Time     // the last time, or the beginning
	due   bool          // something changed since then
}

// wait is how long nothing is to be done unless something changes.
func (p *pulse) wait(now time.Time) time.Duration {
	next := tick
	if p.due {
		next = p.least
	}
	return max(next-now.Sub(p.sent), time.Millisecond)
}

// beat says why the page is told now; "" = it is not.
func (p *pulse) beat(now time.Time) (why string) {
	switch since := now.Sub(p.sent); {
	case p.due && since >= p.least:
		why = "event"
	case since >= tick:
		why = "tick"
	default:
		return ""
	}
	p.sent, p.due = now, false
	return why
}

// topicsOf are the events that change a page; "" = none does, and it is told now and then.
func topicsOf(u *url.URL) string {
	area, name, one := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	queues := u.Query()["queue"]
	switch {
	case strings.ContainsRune(name, ',') || len(queues) == 1 && strings.ContainsRune(queues[0], ','):
		return ""
	case area == "tasks" && one:
		return "task:" + name
	case area == "queues" && one:
		return "queue:" + name
	case area == "tasks" && len(queues) == 1:
		return "queue:" + queues[0]
	case area == "" || area == "tasks" || area == "queues" || area == "failures":
		return "tasks"
	}
	return ""
}
