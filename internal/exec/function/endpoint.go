package function

import (
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/task"
)

// startLimit is how many runs at a time a host gets in the beginning.
const startLimit = 20

// endpoint is what this node knows of a place where functions are served.
type endpoint = pace.Endpoint[served]

// served is what is known of it beside what it can take.
type served struct {
	mu      sync.Mutex
	accused task.ID // the call that was answered with a plain 500 since a run was answered well; zero = none
	several bool    // others were too
	sdk     string
}

// accuse notes a plain 500, and tells whether only this call has got one since a run
// was answered well: otherwise it may be the app that is out of order.
func (s *served) accuse(id task.ID) (only bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accused.IsZero() {
		s.accused = id
	}
	s.several = s.several || s.accused != id
	return !s.several
}

// clear notes that a run was answered well.
func (s *served) clear() {
	s.mu.Lock()
	s.accused, s.several = task.ID{}, false
	s.mu.Unlock()
}

// ours tells whether the endpoint has Sendoff's SDK, as far as is known.
func (s *served) ours() bool { return s.version() != "" }

func (s *served) version() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sdk
}

func (s *served) says(sdk string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sdk != "" {
		s.sdk = sdk
	}
}

// note keeps what a run has shown of the endpoint.
func (r *run) note(v *verdict, now time.Time) {
	e := r.endpoint
	e.Use(now)
	switch {
	case v.pause != "":
		why := pace.Refused
		if v.away {
			why = pace.Unreachable
		}
		if e.Circuit.Pause(now, pace.Pause{Why: why, Text: v.pause, Cause: v.outcome.Cause}) {
			r.cfg.Meter.Paused(string(why))
		}
	case v.outcome.Class == task.Interrupt, v.outcome.Class == task.Cancel:
		e.Circuit.Leave()
	default:
		e.Circuit.Open(now, now)
	}
	e.Own.says(v.sdk)
	switch v.outcome.Class {
	case task.Success, task.Suspend, task.Continue:
		e.Succeeded()
	case task.Interrupt, task.Cancel:
	default:
		e.Failed(v.outcome.Error)
	}
}

// limits are those of a host. One in this process has nothing to be found out.
func (c *Config) limits(host string) pace.Limits {
	l := pace.Limits{Least: c.MinPerEndpoint, Most: c.MaxPerEndpoint, Start: startLimit, Line: c.MaxWaiting}
	if strings.HasPrefix(host, "embedded:") {
		l.Start = l.Most
	}
	return l
}

// EndpointStats is what one node knows of an endpoint, since it started.
type EndpointStats struct {
	pace.Stats
	SDK string // Sendoff's SDK with its version; "" = another one
}

// Stats lists the endpoints that this node has called lately, by name.
func (x *Executor) Stats() []EndpointStats {
	now := x.cfg.Now()
	all := x.endpoints.All()
	list := make([]EndpointStats, len(all))
	for i, e := range all {
		list[i] = EndpointStats{Stats: e.Stats(now), SDK: e.Own.version()}
	}
	return list
}

// Reset forgets what went wrong with an endpoint, and tells whether it was called
// lately: it gets what there is again.
func (x *Executor) Reset(endpoint string) bool { return x.endpoints.Reset(endpoint) }

// Probe has the next run ask whether an endpoint is well, and tells whether it was called
// lately.
func (x *Executor) Probe(endpoint string) bool { return x.endpoints.Probe(endpoint) }
