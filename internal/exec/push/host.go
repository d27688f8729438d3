package push

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// How long a push waits for room on its host while none ends, for it takes a slot
// meanwhile; and when it comes back at the earliest.
const (
	patience = 250 * time.Millisecond
	longest  = 2 * time.Second
	busyWait = 500 * time.Millisecond
)

// pausedWait is when a push to a host that somebody has paused comes back at the earliest.
const pausedWait = 15 * time.Second

// host is what this node knows of a host that is pushed to.
type host = pace.Endpoint[struct{}]

func (p *Pusher) hostOf(u *url.URL, now time.Time) *host {
	key := u.Scheme + "://" + u.Host
	h := p.hosts.Get(key, key, now)
	h.Use(now)
	return h
}

// pushed is a push that a host was asked for, and what came of it.
type pushed struct {
	host     *host
	task     task.ID
	what     string
	began    time.Time
	err      error              // why no whole answer came
	retry    bool               // the app has said itself what becomes of the task
	rejected bool               // by us: it was not sent
	webhooks []*httpsig.Webhook // that sign it; nil = those of the server
	within   time.Duration      // that the app wants to tell how it ends; 0 = it has done so
}

// enter tells whether the push may go now; its outcome otherwise.
func (p *Pusher) enter(ctx context.Context, t *store.Claimed, what string, u *url.URL) (*pushed, pace.Ticket, *task.Outcome) {
	now := p.config.Now()
	x := &pushed{host: p.hostOf(u, now), task: t.ID, what: what, began: now}
	if !p.config.Paused(u.Host).IsZero() {
		wait := x.host.Circuit.Line.Wait(now, now.Add(pausedWait), 0)
		return nil, pace.Ticket{}, p.putOff(x, wait, "pushes to the host are paused", task.NoCause)
	}
	wait, pause := x.host.Circuit.Enter(now)
	if wait > 0 {
		return nil, pace.Ticket{}, p.putOff(x, wait, "the host is left alone for a while: "+pause.Text, pause.Cause)
	}
	ticket, ok := x.host.Limiter.Acquire(ctx, patience)
	if ok {
		x.began = p.config.Now()
		return x, ticket, nil
	}
	x.host.Circuit.Leave()
	if o, stopped := exec.Stopped(ctx); stopped {
		o.Error = what + ": " + o.Error
		return nil, pace.Ticket{}, &o
	}
	now = p.config.Now()
	wait = x.host.Circuit.Line.Wait(now, now.Add(busyWait), x.host.Limiter.Apart())
	return nil, pace.Ticket{}, p.putOff(x, wait, "the host has as many pushes as it can take", task.NoCause)
}

// putOff has the task come back without an attempt spent.
func (p *Pusher) putOff(x *pushed, wait time.Duration, why string, cause task.Cause) *task.Outcome {
	x.host.PutOff()
	p.config.Meter.PutOff()
	return &task.Outcome{Class: task.Throttle, Why: task.PutOff, Cause: cause, RetryAfter: wait, Error: x.what + ": " + why}
}

// ended tells the host's keeper what the push has shown of it.
func (p *Pusher) ended(x *pushed, ticket pace.Ticket, o *task.Outcome) {
	effect, why := x.shown(o)
	if _, halved := x.host.Limiter.Release(ticket, pace.End{Effect: effect, Why: why, Text: o.Error}); halved {
		p.config.Meter.Slowed(string(why))
	}
	now := p.config.Now()
	switch {
	case effect == pace.Grow:
		x.host.Circuit.Open(now, x.began)
	case why == "":
		x.host.Circuit.Leave()
	default:
		pause := pace.Pause{Why: why, Text: statusOf(x, o), Cause: o.Cause}
		if why == pace.Throttled {
			pause.For = o.RetryAfter
		}
		if x.host.Circuit.Fault(now, x.task, x.began, pause) {
			p.config.Meter.Paused(string(why))
		}
	}
	switch o.Class {
	case task.Success:
		x.host.Succeeded()
	case task.Interrupt, task.Cancel:
	default:
		x.host.Failed(o.Error)
	}
}

// shown tells what a push says of its host. A host that answers can take more, whatever
// it thinks of the task. Without a connection there is nothing to be learned of how many
// it can take.
func (x *pushed) shown(o *task.Outcome) (pace.Effect, pace.Why) {
	switch {
	case x.rejected, o.Class == task.Interrupt, o.Class == task.Cancel:
		return pace.Hold, ""
	case x.err != nil && errors.Is(x.err, egress.ErrRefused):
		return pace.Hold, ""
	case x.err != nil && exec.Unreachable(x.err):
		return pace.Hold, pace.Unreachable
	case x.err != nil:
		return pace.Doubt, pace.Errors
	case x.retry || o.Class == task.Success || o.Class == task.Reject:
		return pace.Grow, ""
	}
	switch o.Code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return pace.Shrink, pace.Throttled
	case http.StatusRequestTimeout:
		return pace.Doubt, pace.Errors
	}
	if o.Code >= 500 {
		return pace.Doubt, pace.Errors
	}
	return pace.Grow, ""
}

// statusOf says in a few words what a host did, without the task that met it.
func statusOf(x *pushed, o *task.Outcome) string {
	if x.err == nil {
		return statusText(int(o.Code))
	}
	if o.Cause == task.CauseTimeout {
		return "no answer in time"
	}
	return reason(x.err)
}

// watch watches the push. A host that was away lets others in as soon as there is a
// connection.
func (x *pushed) watch() *watch {
	if !x.host.Circuit.Away() {
		return &watch{}
	}
	return &watch{connected: x.host.Circuit.Connected}
}

// Stats lists the hosts that this node has pushed to lately, by name.
func (p *Pusher) Stats() []pace.Stats {
	now := p.config.Now()
	all := p.hosts.All()
	list := make([]pace.Stats, len(all))
	for i, h := range all {
		list[i] = h.Stats(now)
		_, host, _ := strings.Cut(h.Key, "://")
		if since := p.config.Paused(host); !since.IsZero() {
			list[i].State, list[i].Why, list[i].Text, list[i].Since, list[i].Paused = pace.Paused, pace.Operator, "paused by an operator", since, time.Time{}
		}
	}
	return list
}

// Reset forgets what went wrong with a host, and tells whether it was pushed to lately:
// it gets what there is again.
func (p *Pusher) Reset(host string) bool { return p.hosts.Reset(host) }

// Probe has the next push ask whether a host is well, and tells whether it was pushed to
// lately.
func (p *Pusher) Probe(host string) bool { return p.hosts.Probe(host) }
