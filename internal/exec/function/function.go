package function

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Config says how functions are run. Dialer and Resume are required.
type Config struct {
	// Dialer opens the connections to endpoints.
	Dialer *egress.Dialer

	// Resume tells what a function has to know to go on; see store.Functions.
	Resume func(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (store.Resumption, error)

	// Journal reads the journal of a function; nil = this server keeps none, and
	// the whole state travels in the polls.
	Journal func(ctx context.Context, id task.ID) ([]task.Segment, error)

	// Last tells how the last attempt of a call ended; nil = nobody knows. It is asked
	// when a call expires, for the error that its caller gets.
	Last func(ctx context.Context, id task.ID) (task.Class, string, error)

	// Sign signs with the Ed25519 key whose public half the endpoints have; nil =
	// runs are not signed.
	Sign func(base []byte) []byte

	// Strict takes every 401, 403 and 404 for the end of the call, as Dispatch's
	// tables have it. By default an endpoint that answers so without having run
	// the function is left alone for a while: a key that was rotated or an app
	// that is being deployed costs time, but no calls.
	Strict bool

	// KeepState are the hosts, with or without a port, of endpoints whose functions
	// are not begun again from their input when the endpoint cannot read their state
	// any more and does not say so by INCOMPATIBLE_STATE, as volatile dispatch-go and
	// dispatch-py do not; "*" = all. Functions of Sendoff's SDK never are.
	KeepState []string

	// Embedded serves embedded://NAME inside this process; nil = nothing is.
	Embedded func(name string) (http.RoundTripper, bool)

	// Hub serves bridge://SESSION; default a new one.
	Hub *Hub

	// MaxPerEndpoint is the most runs at a time on one host; default 256.
	MaxPerEndpoint int

	// MinPerEndpoint is the least that the limit of a host falls to; default 1.
	MinPerEndpoint int

	// MaxWaiting is how many runs wait for room on one host before others are put
	// off; default 64.
	MaxWaiting int

	// MaxAnswer is the longest answer that is read, in bytes; default
	// task.MaxState and 1 MB for what goes around it.
	MaxAnswer int

	Meter exec.Meter // counts what is held back; nil = nobody looks

	UserAgent string // default "sendoff"

	Traceparent func(s *task.Spec, id task.ID, token int64) string // the header that tells of a run; default task.TraceparentOf
	Now         func() time.Time                                   // default time.Now
}

func (c Config) withDefaults() Config {
	c.UserAgent = cmp.Or(c.UserAgent, "sendoff")
	if c.Traceparent == nil {
		c.Traceparent = task.TraceparentOf
	}
	c.MaxPerEndpoint = cmp.Or(c.MaxPerEndpoint, 256)
	c.MaxWaiting = cmp.Or(c.MaxWaiting, 64)
	c.MaxAnswer = cmp.Or(c.MaxAnswer, task.MaxState+1_000_000)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Meter == nil {
		c.Meter = exec.Unmetered{}
	}
	if c.Hub == nil {
		c.Hub = NewHub()
	}
	if c.Embedded == nil {
		c.Embedded = func(string) (http.RoundTripper, bool) { return nil, false }
	}
	return c
}

// keepsState tells whether functions of an endpoint are left as they are when their
// app cannot read their state any more.
func (c *Config) keepsState(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return slices.Contains(c.KeepState, "*") || err == nil && (slices.Contains(c.KeepState, u.Hostname()) || slices.Contains(c.KeepState, u.Host))
}

// Executor runs durable functions. It is safe for concurrent use.
type Executor struct {
	cfg       Config
	transport *http.Transport
	rules     protocol.Rules
	endpoints *pace.Book[served]
	memory    *memory
}

var _ exec.Executor = (*Executor)(nil)

// New returns an executor with a connection pool of its own over the dialer.
func New(cfg Config) *Executor {
	need.Fields(cfg, "Dialer", "Resume")
	cfg = cfg.withDefaults()
	x := &Executor{cfg: cfg, transport: cfg.Dialer.Transport(), memory: newMemory(10_000)}
	x.endpoints = pace.NewBook[served](x.cfg.limits)
	x.rules = protocol.Rules{
		Inherit: true, CheckURL: func(u *url.URL) error { return cfg.Dialer.CheckURL(u) },
		Embedded: func(name string) bool { _, ok := cfg.Embedded(name); return ok },
	}
	return x
}

// How long a run waits for room while none ends, and when it comes back at the earliest.
const (
	patience = time.Second
	busyWait = 2 * time.Second
)

// Close closes the idle connections. Runs under way go on.
func (x *Executor) Close() { x.transport.CloseIdleConnections() }

// Hub is where the sessions of bridges meet their runs.
func (x *Executor) Hub() *Hub { return x.cfg.Hub }

// Execute runs the function once, from its input or from where it waited, and
// turns the answer into an outcome:
//
//	OK, or no status, with an exit     success
//	OK, or no status, with a tail call continue: Progress.Next
//	OK, or no status, with a poll      suspend: state, calls, when to resume
//	TIMEOUT TEMPORARY_ERROR DNS_ERROR
//	TCP_ERROR TLS_ERROR HTTP_ERROR     failure: try again; with a tail call as that one
//	THROTTLED                          throttle: no attempt spent
//	INCOMPATIBLE_STATE                 failure: begin again from the input
//	all other statuses                 reject
//	429                                throttle, after its Retry-After
//	408, 5xx but for 501, no answer    failure
//	401, 403, 404 without a reason     throttle (refused): the endpoint is left alone for a while
//	no answer of the protocol          failure, and reject for the fifth in a row
//	any other HTTP status              reject
//
// A call that has expired is not run, and a run that goes on until then is cut
// off: expire. Every outcome that ends the call, but for a cancel, has a
// serialized CallResult as the body of its answer, whole; the header of the
// answer is a record of the run for people, see [Executor.record].
// A call that is being canceled ends so, whatever its function answers: cancel.
func (x *Executor) Execute(ctx context.Context, t *store.Claimed, spec *task.Spec) task.Outcome {
	grow(0)
	r := &run{Executor: x, task: t, spec: spec}
	o := r.execute(ctx)
	if r.canceling() {
		canceled(&o)
	}
	return o
}

// grow makes the stack of a goroutine 16 KiB large while there is little on it yet: each
// run comes to need that, and would copy it several times on the way.
//
//go:noinline
func grow(i int) byte {
	var room [9 << 10]byte
	return room[i]
}

func (r *run) execute(ctx context.Context) task.Outcome {
	x, spec := r.Executor, r.spec
	if r.expired() {
		return r.expire(ctx)
	}
	var err error
	if r.target, err = x.targetOf(spec.Endpoint); err != nil {
		return r.unsendable(err)
	}
	now := x.cfg.Now()
	r.endpoint = x.endpoints.Get(r.target.key, r.target.host, now)
	r.endpoint.Use(now)
	if wait, pause := r.endpoint.Circuit.Enter(now); wait > 0 {
		o := r.putOff(wait, "the endpoint is left alone for a while: "+pause.Text)
		o.Cause = pause.Cause
		if pause.Why == pace.Refused {
			o.Why = task.Refused
		}
		return o
	}
	ticket, ok := r.room(ctx)
	if !ok {
		r.endpoint.Circuit.Leave()
		if o, stopped := exec.Stopped(ctx); stopped {
			return o
		}
		now := x.cfg.Now()
		return r.putOff(r.endpoint.Circuit.Line.Wait(now, now.Add(busyWait), r.endpoint.Limiter.Apart()), "the endpoint is busy")
	}
	v := r.attempt(ctx)
	alone, halved := r.endpoint.Limiter.Release(ticket, v.end())
	if halved {
		x.cfg.Meter.Slowed(string(v.why()))
	}
	r.blame(&v, alone)
	r.abandon(&v.outcome)
	r.note(&v, x.cfg.Now())
	r.remember(&v)
	return v.outcome
}

// abandon gives up the calls that are open: when the function has ended, or is
// another one, nobody waits for them. Sendoff's SDK says so itself, others cannot.
func (r *run) abandon(o *task.Outcome) {
	if o.Class == task.Suspend || r.resumption.Open <= int64(r.delivered.results) {
		return
	}
	if o.Progress == nil {
		o.Progress = &task.Progress{}
	}
	o.Progress.CancelOpen = true
}

// remember keeps what the next attempt on this node profits from.
func (r *run) remember(v *verdict) {
	switch v.outcome.Class {
	case task.Suspend:
		if v.warm {
			r.memory.answered(r.task.ID, r.target.key, r.task.Token)
			return
		}
		r.memory.wentOn(r.task.ID)
	case task.Success, task.Reject, task.Continue, task.Expire, task.Cancel:
		r.memory.forget(r.task.ID)
	}
}
