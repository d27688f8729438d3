package pace

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Endpoint is what a node knows of a place that it calls. Own is what an executor
// keeps beside; it starts as its zero value.
type Endpoint[T any] struct {
	Key     string
	Limiter *Limiter // of its host
	Circuit Circuit
	Own     T

	mu        sync.Mutex
	used      time.Time
	succeeded int64
	failed    int64
	putOff    int64
	lastError string
}

// Use notes that an attempt is to be made.
func (e *Endpoint[T]) Use(now time.Time) {
	e.mu.Lock()
	e.used = now
	e.mu.Unlock()
}

// Succeeded counts an attempt that went well.
func (e *Endpoint[T]) Succeeded() {
	e.mu.Lock()
	e.succeeded++
	e.mu.Unlock()
}

// Failed counts an attempt that did not, with a text for people.
func (e *Endpoint[T]) Failed(text string) {
	e.mu.Lock()
	e.failed++
	e.lastError = text
	e.mu.Unlock()
}

// PutOff counts one that was not made.
func (e *Endpoint[T]) PutOff() {
	e.mu.Lock()
	e.putOff++
	e.mu.Unlock()
}

// Reset forgets what went wrong.
func (e *Endpoint[T]) Reset() {
	e.Circuit.Reset()
	e.Limiter.Reset()
}

func (e *Endpoint[T]) lastUse() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.used
}

// State says in a word how an endpoint is treated.
type State string

// The states.
const (
	Open   State = "open"   // it gets what there is
	Slow   State = "slow"   // it gets fewer at a time than it did
	Paused State = "paused" // it is left alone
)

// Stats is what one node knows of an endpoint, since it started.
type Stats struct {
	Endpoint  string // without credentials
	State     State
	Why       Why       // it is not open; "" = it is
	Text      string    // the same, for people
	Since     time.Time // it is not open; zero = it is
	Paused    time.Time // left alone until then; zero = it is not
	Limit     int       // attempts at a time on its host
	InFlight  int       // on its host
	Waiting   int       // for room on its host
	Succeeded int64     // attempts
	Failed    int64     // attempts
	PutOff    int64     // tasks that were put off without an attempt
	LastError string    // of an attempt, for people
	Used      time.Time // when it was called last
}

// Stats of the endpoint.
func (e *Endpoint[T]) Stats(now time.Time) Stats {
	s := Stats{Endpoint: e.Key, State: Open}
	e.mu.Lock()
	s.Succeeded, s.Failed, s.PutOff, s.LastError, s.Used = e.succeeded, e.failed, e.putOff, e.lastError, e.used
	e.mu.Unlock()
	e.Limiter.describe(&s)
	e.Circuit.describe(&s, now)
	return s
}

func (l *Limiter) describe(s *Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Limit, s.InFlight, s.Waiting = int(l.limit), l.inFlight, len(l.waiting)
	if !l.slowed.since.IsZero() {
		s.State, s.Why, s.Text, s.Since = Slow, l.slowed.why, l.slowed.text, l.slowed.since
	}
}

func (c *Circuit) describe(s *Stats, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pause.Why == "" {
		return
	}
	s.State, s.Why, s.Text, s.Since = Paused, c.pause.Why, c.pause.Text, c.since
	if now.Before(c.until) {
		s.Paused = c.until
	}
}

// Book holds all endpoints that were called lately. Safe for concurrent use.
type Book[T any] struct {
	limits func(host string) Limits

	mu     sync.RWMutex
	byKey  map[string]*Endpoint[T]
	byHost map[string]*Limiter
}

// NewBook returns an empty book. limits says how a host's limiter begins.
func NewBook[T any](limits func(host string) Limits) *Book[T] {
	return &Book[T]{limits: limits, byKey: map[string]*Endpoint[T]{}, byHost: map[string]*Limiter{}}
}

// maxEndpoints are remembered; beyond them the ones that were not used for ten
// minutes are forgotten, and half of all idle ones when that is not enough.
const (
	maxEndpoints = 10_000
	keepEndpoint = 10 * time.Minute
)

// Get returns what is known of an endpoint on a host; it is new when it was not called
// lately.
func (b *Book[T]) Get(key, host string, now time.Time) *Endpoint[T] {
	b.mu.RLock()
	e := b.byKey[key]
	b.mu.RUnlock()
	if e == nil {
		e = b.add(key, host, now)
	}
	return e
}

func (b *Book[T]) add(key, host string, now time.Time) *Endpoint[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.byKey[key]; e != nil {
		return e
	}
	if len(b.byKey) >= maxEndpoints {
		b.sweep(now)
	}
	l := b.byHost[host]
	if l == nil {
		l = NewLimiter(b.limits(host))
		b.byHost[host] = l
	}
	e := &Endpoint[T]{Key: key, Limiter: l, used: now}
	b.byKey[key] = e
	return e
}

func (b *Book[T]) sweep(now time.Time) {
	room := maxEndpoints / 2
	for _, only := range []func(*Endpoint[T]) bool{
		func(e *Endpoint[T]) bool { return now.Sub(e.lastUse()) > keepEndpoint },
		func(*Endpoint[T]) bool { return len(b.byKey) > room },
	} {
		for key, e := range b.byKey {
			if e.Limiter.idle() && only(e) {
				delete(b.byKey, key)
			}
		}
		if len(b.byKey) < maxEndpoints {
			break
		}
	}
	used := make(map[*Limiter]bool, len(b.byHost))
	for _, e := range b.byKey {
		used[e.Limiter] = true
	}
	for host, l := range b.byHost {
		if !used[l] {
			delete(b.byHost, host)
		}
	}
}

// All lists the endpoints by key.
func (b *Book[T]) All() []*Endpoint[T] {
	b.mu.RLock()
	all := make([]*Endpoint[T], 0, len(b.byKey))
	for _, e := range b.byKey {
		all = append(all, e)
	}
	b.mu.RUnlock()
	slices.SortFunc(all, func(x, y *Endpoint[T]) int { return cmp.Compare(x.Key, y.Key) })
	return all
}

// Reset forgets what went wrong with an endpoint, and tells whether it is known.
func (b *Book[T]) Reset(key string) bool { return b.do(key, (*Endpoint[T]).Reset) }

// Probe has the next attempt ask whether an endpoint is well, and tells whether it is
// known.
func (b *Book[T]) Probe(key string) bool {
	return b.do(key, func(e *Endpoint[T]) { e.Circuit.Probe() })
}

func (b *Book[T]) do(key string, fn func(*Endpoint[T])) bool {
	b.mu.RLock()
	e := b.byKey[key]
	b.mu.RUnlock()
	if e != nil {
		fn(e)
	}
	return e != nil
}
