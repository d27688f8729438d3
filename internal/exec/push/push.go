// Package push carries a task out by sending it to a URL.
//
// One attempt is one HTTP request with the payload as its body, headers that say
// which task and attempt it is, and a signature. The answer's status is the
// outcome (see [Pusher.Execute]). Redirects are answers like any other, bodies
// are kept as they come up to a cap, and an endpoint that is slow, endless or
// hostile costs no more than the task's timeout and a bounded amount of memory.
//
// A request is never sent twice within an attempt: after a byte of it was written
// a lost connection is a failed attempt, for nobody can tell whether the app has
// seen it.
package push

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Config says how pushes are made. The zero value sends them unsigned.
type Config struct {
	// Keys sign the pushes; nil = pushes are not signed.
	Keys Signer

	// Webhooks are the secrets that sign the pushes of a lane after Standard Webhooks; nil,
	// also of a lane = those of Keys do. It must be safe for concurrent use.
	Webhooks func(lane int32) ([]*httpsig.Webhook, error)

	// OmitSignature leaves pushes unsigned although there are keys.
	OmitSignature bool

	// UserAgent is sent with each push; default "sendoff".
	UserAgent string

	// Traceparent is the header that tells of an attempt; default task.TraceparentOf.
	Traceparent func(s *task.Spec, id task.ID, token int64) string

	// MaxAnswer is how many bytes of an answer's body are kept; default
	// task.MaxAnswer.
	MaxAnswer int

	// Queue names the queue of a lane for Sendoff-Queue; nil or "" = the header
	// is left out. It must be safe for concurrent use.
	Queue func(lane int32) string

	// Slots are the pushes at a time of all hosts, of which each gets a part; default
	// 256.
	Slots int

	// Paused tells since when a host gets no pushes because somebody has paused it; zero =
	// it gets them. It must be safe for concurrent use. nil = none is.
	Paused func(host string) time.Time

	// Meter counts what is held back from hosts; nil = nobody looks.
	Meter exec.Meter

	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Signer signs pushes, as *httpsig.Keys do.
type Signer interface {
	Sign(p *httpsig.Push, now time.Time) httpsig.Signed
}

// Pusher sends tasks to URLs. It is safe for concurrent use.
type Pusher struct {
	dialer    *egress.Dialer
	transport *http.Transport
	config    Config
	hosts     *pace.Book[struct{}]
}

var _ exec.Executor = (*Pusher)(nil)

// New returns a pusher with a connection pool of its own over the dialer.
func New(d *egress.Dialer, c Config) *Pusher {
	c.UserAgent = cmp.Or(c.UserAgent, "sendoff")
	c.MaxAnswer = cmp.Or(c.MaxAnswer, task.MaxAnswer)
	if c.Traceparent == nil {
		c.Traceparent = task.TraceparentOf
	}
	if c.OmitSignature {
		c.Keys = nil
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Queue == nil {
		c.Queue = func(int32) string { return "" }
	}
	if c.Webhooks == nil {
		c.Webhooks = func(int32) ([]*httpsig.Webhook, error) { return nil, nil }
	}
	if c.Paused == nil {
		c.Paused = func(string) time.Time { return time.Time{} }
	}
	if c.Meter == nil {
		c.Meter = exec.Unmetered{}
	}
	c.Slots = cmp.Or(c.Slots, 256)
	slots := pace.NewSlots(c.Slots)
	hosts := pace.NewBook[struct{}](func(string) pace.Limits {
		return pace.Limits{Most: c.Slots, Line: c.Slots, Longest: longest, Foresee: true, Slots: slots}
	})
	return &Pusher{dialer: d, transport: d.Transport(), config: c, hosts: hosts}
}

// Close closes the idle connections. Pushes under way go on.
func (p *Pusher) Close() { p.transport.CloseIdleConnections() }

// Execute sends the task once and turns the answer into an outcome:
//
//	2xx                                                success
//	400 405 406 410 411 413 414 415 422 431 501 505    reject: it will never work
//	429 503 with a Retry-After that lies ahead         throttle: no attempt spent
//	all others, no answer, no connection, timeout      failure: try again
//
// The answer's header "Sendoff-Retry: no" makes any failed answer a reject and
// "Sendoff-Retry: yes" any answer one to be tried again, whatever its status.
// A 202 with "Sendoff-Ack: manual" is no end: see task.Detach.
// 489 with "Upstash-NonRetryable-Error: true" is a reject. Retry-After, in
// seconds or as a date, is honoured on every failed answer. An address that the
// egress guard refuses is a failure whose text names the flag to open it; a task
// that cannot be made a request at all is a reject.
//
// A host that says that it is too much, or does not answer well, gets fewer pushes at a
// time, and is left alone when it goes on. What it has no room for is put off: throttle,
// with task.PutOff and no attempt spent.
func (p *Pusher) Execute(ctx context.Context, t *store.Claimed, spec *task.Spec) task.Outcome {
	u, err := egress.ParseTarget(spec.URL)
	if err != nil {
		return task.Outcome{Class: task.Reject, Error: "the URL cannot be read"} // its text may hold a password
	}
	what := describe(spec, u)
	if err := p.dialer.CheckURL(u); err != nil {
		return task.Outcome{Class: unsendable(err), Error: what + ": " + err.Error()}
	}
	webhooks, err := p.config.Webhooks(t.Lane)
	if err != nil && p.config.Keys != nil {
		return task.Outcome{Class: task.Failure, Error: what + ": it cannot be signed: " + err.Error()}
	}
	x, ticket, o := p.enter(ctx, t, what, u)
	if o != nil {
		return *o
	}
	x.webhooks = webhooks
	out := p.send(ctx, t, spec, u, x)
	p.ended(x, ticket, &out)
	if out.Class == task.Success && x.within > 0 {
		out = task.Outcome{Class: task.Detach, Code: out.Code, Within: x.within}
	}
	return out
}

// send makes the attempt.
func (p *Pusher) send(ctx context.Context, t *store.Claimed, spec *task.Spec, u *url.URL, x *pushed) task.Outcome {
	timeout, w := spec.TimeoutOrDefault(), x.watch()
	attempt, cancel := context.WithTimeout(w.traced(ctx), timeout)
	defer cancel()
	request, err := p.request(attempt, t, spec, u, x.webhooks)
	if err != nil {
		x.rejected = true
		return task.Outcome{Class: task.Reject, Error: x.what + ": " + err.Error()}
	}
	exec.Begin(ctx)
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		x.err = err
		o := p.noAnswer(ctx, attempt, x.what, "no answer", timeout, err)
		w.note(&o.Answer, false)
		return o
	}
	defer response.Body.Close()
	x.retry, x.within = response.Header.Get("Sendoff-Retry") != "", within(response, timeout)
	o := p.outcome(x.what, response)
	answer, err := p.answer(response)
	if o.Answer = answer; o.Class != task.Success || !answer.Empty() { // else the attempt gets no row of its own
		w.note(&o.Answer, err == nil)
	}
	if err != nil && o.Class == task.Success {
		// A 2xx whose body breaks off comes from an app that died while it answered.
		x.err = err
		broken := p.noAnswer(ctx, attempt, x.what, "the answer did not end", timeout, err)
		broken.Code, broken.Answer = o.Code, o.Answer
		return broken
	}
	return o
}

// noAnswer tells why no whole answer came: we stopped, time was up, or the
// connection failed.
func (p *Pusher) noAnswer(ctx, attempt context.Context, what, missing string, timeout time.Duration, err error) task.Outcome {
	if o, ok := exec.Stopped(ctx); ok {
		o.Error = what + ": " + o.Error
		return o
	}
	o := task.Outcome{Class: task.Failure, Cause: exec.CauseOf(err)}
	if attempt.Err() != nil {
		o.Cause = task.CauseTimeout
		o.Error = fmt.Sprintf("%s: %s within %s", what, missing, timeout)
		return o
	}
	o.Error = what + ": " + reason(err)
	return o
}

// describe names the request without credentials: the query often holds some.
func describe(spec *task.Spec, u *url.URL) string {
	return spec.MethodOrDefault() + " " + u.Scheme + "://" + u.Host + u.EscapedPath()
}
