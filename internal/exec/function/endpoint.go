package function

import (
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// How long an endpoint that refuses us is left alone: it doubles from one to the
// other until the endpoint runs a function again. One that cannot be reached is asked
// more often, and only until there is a connection.
const (
	firstPause = time.Second
	maxPause   = time.Minute
	maxAway    = 2 * time.Second
)

// Those that are put off come back this far apart, so that a long line of them does
// not keep the database busy while an endpoint is away.
const (
	putOffApart = 5 * time.Millisecond
	maxPutOff   = time.Minute
)

// endpoint is what this node knows of a place where functions are served.
type endpoint struct {
	key     string
	limiter *limiter // of its host

	mu        sync.Mutex
	until     time.Time // left alone until then; zero = it is not
	pause     time.Duration
	away      bool          // there was no connection
	probing   bool          // one run is asking whether it takes runs again
	putOff    time.Duration // by which those are spread that came meanwhile
	reason    string
	cause     task.Cause
	accused   task.ID // the call that was answered with a plain 500 since a run was answered well; zero = none
	several   bool    // others were too
	lastError string
	successes int64
	failures  int64
	sdk       string
	used      time.Time
}

// enter tells how long a run has to wait because the endpoint is left alone; 0 =
// go on. When the time is over one run goes first. leave or note must follow.
func (e *endpoint) enter(now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.used = now
	switch {
	case e.until.IsZero():
		return 0
	case now.Before(e.until), e.probing:
		wait := e.until.Sub(now)
		if wait <= 0 {
			wait = firstPause
		}
		wait += e.putOff
		e.putOff = min(e.putOff+putOffApart, maxPutOff)
		return wait
	}
	e.probing, e.putOff = true, 0
	return 0
}

// connected tells that there is a connection to the endpoint. One that was away
// takes runs again, however long the one takes that has found out.
func (e *endpoint) connected() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away {
		e.open()
	}
}

// isAway tells whether there was no connection the last time.
func (e *endpoint) isAway() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.away
}

// open ends a pause; e.mu is held.
func (e *endpoint) open() {
	e.until, e.pause, e.putOff, e.away, e.reason, e.cause = time.Time{}, 0, 0, false, "", task.NoCause
}

// accuse notes a plain 500, and tells whether only this call has got one since a run
// was answered well: otherwise it may be the app that is out of order.
func (e *endpoint) accuse(id task.ID) (only bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.accused.IsZero() {
		e.accused = id
	}
	e.several = e.several || e.accused != id
	return !e.several
}

// clear notes that a run was answered well.
func (e *endpoint) clear() {
	e.mu.Lock()
	e.accused, e.several = task.ID{}, false
	e.mu.Unlock()
}

// leave says that the run was not made after all.
func (e *endpoint) leave() {
	e.mu.Lock()
	e.probing = false
	e.mu.Unlock()
}

// refuses tells whether the endpoint is left alone because it does not let us in.
func (e *endpoint) refuses() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reason != "" && !e.away
}

// ours tells whether the endpoint has Sendoff's SDK, as far as is known.
func (e *endpoint) ours() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sdk != ""
}

// why tells why the endpoint is left alone.
func (e *endpoint) why() (string, task.Cause) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reason, e.cause
}

// note keeps what a run has shown of the endpoint.
func (e *endpoint) note(v *verdict, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.used = now
	e.probing = false
	switch {
	case v.pause != "" && !now.Before(e.until):
		most := maxPause
		if v.away {
			most = maxAway
		}
		e.pause = min(max(2*e.pause, firstPause), most)
		e.until, e.reason, e.cause, e.away = now.Add(e.pause), v.pause, v.outcome.Cause, v.away
	case v.pause == "" && v.outcome.Class != task.Interrupt && v.outcome.Class != task.Cancel:
		e.open()
	}
	if v.sdk != "" {
		e.sdk = v.sdk
	}
	switch v.outcome.Class {
	case task.Success, task.Suspend, task.Continue:
		e.successes++
	case task.Interrupt, task.Cancel:
	default:
		e.failures++
		e.lastError = v.outcome.Error
	}
}

// EndpointStats is what one node knows of an endpoint, since it started.
type EndpointStats struct {
	Endpoint  string    // without credentials
	Limit     int       // runs at a time on its host
	InFlight  int       // on its host
	Waiting   int       // for room on its host
	Paused    time.Time // left alone until then; zero = it is not
	Why       string    // it is left alone
	LastError string    // of a run, for people
	Successes int64     // runs that brought the function on
	Failures  int64     // all others
	SDK       string    // Sendoff's SDK with its version; "" = another one
}

func (e *endpoint) stats(now time.Time) EndpointStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := EndpointStats{Endpoint: e.key, LastError: e.lastError, Successes: e.successes, Failures: e.failures, SDK: e.sdk}
	if now.Before(e.until) {
		s.Paused, s.Why = e.until, e.reason
	}
	s.Limit, s.InFlight, s.Waiting = e.limiter.stats()
	return s
}

// endpoints are all that were called lately.
type endpoints struct {
	least, most, queue int

	mu     sync.Mutex
	byKey  map[string]*endpoint
	byHost map[string]*limiter
}

// maxEndpoints are remembered; beyond them the ones that were not used for ten
// minutes are forgotten, and half of all idle ones when that is not enough.
const (
	maxEndpoints = 10_000
	keepEndpoint = 10 * time.Minute
)

func newEndpoints(least, most, queue int) *endpoints {
	return &endpoints{least: least, most: most, queue: queue, byKey: map[string]*endpoint{}, byHost: map[string]*limiter{}}
}

func (s *endpoints) get(key, host string, now time.Time) *endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byKey[key]; ok {
		return e
	}
	if len(s.byKey) >= maxEndpoints {
		s.sweep(now)
	}
	l, ok := s.byHost[host]
	if !ok {
		l = newLimiter(s.least, s.most, s.queue)
		if strings.HasPrefix(key, "embedded:") { // in this process: there is nothing to find out
			l.limit = float64(s.most)
		}
		s.byHost[host] = l
	}
	e := &endpoint{key: key, limiter: l, used: now}
	s.byKey[key] = e
	return e
}

func (s *endpoints) sweep(now time.Time) {
	room := maxEndpoints / 2
	for _, only := range []func(*endpoint) bool{
		func(e *endpoint) bool { return now.Sub(e.lastUse()) > keepEndpoint },
		func(*endpoint) bool { return len(s.byKey) > room },
	} {
		for key, e := range s.byKey {
			if e.limiter.idle() && only(e) {
				delete(s.byKey, key)
			}
		}
		if len(s.byKey) < maxEndpoints {
			break
		}
	}
	used := make(map[*limiter]bool, len(s.byHost))
	for _, e := range s.byKey {
		used[e.limiter] = true
	}
	for host, l := range s.byHost {
		if !used[l] {
			delete(s.byHost, host)
		}
	}
}

func (e *endpoint) lastUse() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.used
}

// Stats lists the endpoints that this node has called lately, in no order.
func (x *Executor) Stats() []EndpointStats {
	x.endpoints.mu.Lock()
	defer x.endpoints.mu.Unlock()
	now := x.cfg.Now()
	list := make([]EndpointStats, 0, len(x.endpoints.byKey))
	for _, e := range x.endpoints.byKey {
		list = append(list, e.stats(now))
	}
	return list
}
