package pages

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/sendoff-dev/sendoff"
)

// depths are the states of tasks that a queue counts.
var depths = []string{"ready", "running", "scheduled", "suspended", "blocked", "failed"}

func depth(s *sendoff.QueueStats, state string) int64 {
	return map[string]int64{"ready": s.Ready, "running": s.Running, "scheduled": s.Scheduled, "suspended": s.Suspended, "blocked": s.Blocked, "failed": s.Failed}[state]
}

// bulkActions are what can be done to many tasks.
var bulkActions = []string{"retry", "cancel", "run", "reschedule", "move", "delete"}

// AsksTo tells whether an action needs to be told what tasks are to become.
func AsksTo(action string) bool { return action == "reschedule" || action == "move" }

// trouble is something to look at.
type trouble struct {
	Text string
	Link templ.SafeURL
}

// lateReady is how long a ready task may wait before that is a trouble.
const lateReady = time.Minute

// troubles are what somebody should look at first.
func troubles(o *Overview) (list []trouble) {
	for i := range o.Queues {
		q := &o.Queues[i]
		switch {
		case q.Paused && q.Ready > 0:
			list = append(list, trouble{fmt.Sprintf("Queue %s is paused, and %s tasks are ready.", q.Queue, number(q.Ready)), to("queues", q.Queue)})
		case q.OldestReady > lateReady:
			list = append(list, trouble{fmt.Sprintf("A task of queue %s has been ready for %s.", q.Queue, span(q.OldestReady)), tab(url.Values{"queue": {q.Queue}}, "ready")})
		}
	}
	if text := failedText(o.Lately); text != "" {
		list = append(list, trouble{text, tab(nil, "failed")})
	}
	for i := range o.Nodes {
		n := &o.Nodes[i]
		if !n.LeaseUntil.IsZero() && time.Until(n.LeaseUntil) < 0 {
			list = append(list, trouble{"Node " + n.Name + " does not answer: its lease has run out.", "/nodes"})
		}
	}
	return list
}

// failedText says how many tasks have failed within the hour.
func failedText(n *Count) string {
	switch {
	case n == nil || n.Value == 0:
		return ""
	case n.Value == 1:
		return "A task failed within the last hour."
	}
	return n.String() + " tasks failed within the last hour."
}

// alike selects the failed tasks that are of the same kind.
func alike(t *sendoff.Task) url.Values {
	q := url.Values{"state": {string(t.State)}, "queue": {t.Queue}}
	switch {
	case t.Name != "":
		q.Set("name", t.Name)
	case t.Function != "":
		q.Set("function", t.Function)
	case t.Process != "":
		q.Set("process", t.Process)
	case t.Handler != "":
		q.Set("handler", t.Handler)
	default:
		if u, err := url.Parse(t.URL); err == nil && u.Host != "" {
			q.Set("target_host", u.Host)
		}
	}
	return q
}

func settings(s sendoff.QueueSettings) string {
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return pretty(b)
}

func yes(is bool) string {
	if is {
		return "page"
	}
	return "false"
}

// hostOf is the host of an endpoint, with its port when it has one.
func hostOf(e *sendoff.EndpointStats) string {
	_, rest, ok := strings.Cut(e.Endpoint, "://")
	if !ok {
		return e.Endpoint // it is paused, and nobody has called it
	}
	host, _, _ := strings.Cut(rest, "/")
	return host
}
