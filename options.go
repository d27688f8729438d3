package sendoff

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// Option says how a function is called or a step is run. Given to [Func] it
// holds for each call of the function; given to a call it comes after those.
// Each option says where it has a meaning; elsewhere it is ignored. All but
// [Expiration] and [OnEndpoint] need a Sendoff server, others ignore them.
type Option func(*options)

type options struct {
	call        sendoffv1.CallOptions
	retry       *Retry
	noRetry     bool
	timeout     time.Duration
	id          string
	key         string
	at          time.Time
	expiration  time.Duration
	endpoint    string
	version     string
	concurrency int
	client      *Client
}

func gather(groups ...[]Option) *options {
	o := &options{}
	for _, group := range groups {
		for _, set := range group {
			set(o)
		}
	}
	return o
}

// WithRetry says when a call or a step that failed is tried again. Default for
// calls: the server's; for steps: 5 attempts, the first wait 200 ms, the longest
// 10 s. Steps wait within the attempt of the function.
func WithRetry(r Retry) Option { return func(o *options) { o.retry, o.noRetry = &r, false } }

// NoRetry has a call or a step tried once.
func NoRetry() Option { return func(o *options) { o.retry, o.noRetry = nil, true } }

// Timeout bounds one attempt of a call or a step.
func Timeout(d time.Duration) Option { return func(o *options) { o.timeout = d } }

// ID names the call made by Dispatch: when there is one with this id already, it
// is returned, and no second one is made.
func ID(id string) Option { return func(o *options) { o.id = id } }

// IdempotencyKey names the request of Dispatch: the same one sent again within
// 24 hours makes no second call. Default: a random one for each Dispatch.
func IdempotencyKey(key string) Option { return func(o *options) { o.key = key } }

// Delay has a call start after a while.
func Delay(d time.Duration) Option {
	return func(o *options) { o.call.Delay = durationpb.New(d) }
}

// At has a call start at a time.
func At(t time.Time) Option { return func(o *options) { o.at = t } }

// OnQueue puts a call into a queue. Default: that of the caller.
func OnQueue(name string) Option { return func(o *options) { o.call.Queue = name } }

// WithPriority is the priority of a call in its queue, 0 (first) to 9. Default:
// that of the caller.
func WithPriority(p int) Option {
	return func(o *options) { n := int32(min(max(p, 0), 9)); o.call.Priority = &n }
}

// Expiration bounds all attempts of a call together.
func Expiration(d time.Duration) Option { return func(o *options) { o.expiration = d } }

// Named gives a call a label for people.
func Named(name string) Option { return func(o *options) { o.call.Name = name } }

// Labels gives a call labels to find it by.
func Labels(labels map[string]string) Option { return func(o *options) { o.call.Labels = labels } }

// Detached has a call go on whatever becomes of its caller; nobody can wait for
// its result.
func Detached() Option { return func(o *options) { o.call.Detached = true } }

// Concurrency bounds how many calls [Function.Each] has open. Default: all.
func Concurrency(n int) Option { return func(o *options) { o.concurrency = n } }

// OnEndpoint is the URL of the app that has the function. Default: that of the
// caller.
func OnEndpoint(url string) Option { return func(o *options) { o.endpoint = url } }

// OnVersion is the version of the function, where the platform knows such a
// thing.
func OnVersion(v string) Option { return func(o *options) { o.version = v } }

// Via has Dispatch and Send use a client. Default: that of the endpoint that
// serves the function, otherwise one from the environment, see [NewClient].
func Via(c *Client) Option { return func(o *options) { o.client = c } }

// callOptions makes what travels beside a call.
func (o *options) callOptions(now time.Time) *sendoffv1.CallOptions {
	c := &o.call
	if !o.at.IsZero() {
		c.Delay = durationpb.New(max(o.at.Sub(now), 0))
	}
	if o.timeout > 0 {
		c.Timeout = durationpb.New(o.timeout)
	}
	switch {
	case o.noRetry:
		c.Retry = &sendoffv1.RetryPolicy{MaxAttempts: 1}
	case o.retry != nil:
		c.Retry = wirePolicy(o.retry)
	}
	return c
}

func wirePolicy(r *Retry) *sendoffv1.RetryPolicy {
	p := &sendoffv1.RetryPolicy{MaxAttempts: int32(r.MaxAttempts), Factor: r.Factor, Jitter: r.Jitter}
	for _, d := range []struct {
		from time.Duration
		to   **durationpb.Duration
	}{{r.MaxAge, &p.MaxAge}, {r.MinBackoff, &p.MinBackoff}, {r.MaxBackoff, &p.MaxBackoff}} {
		if d.from > 0 {
			*d.to = durationpb.New(d.from)
		}
	}
	return p
}

// apply sets the fields of a call.
func (o *options) apply(c *sdkv1.Call, now time.Time) {
	c.Endpoint, c.Version = o.endpoint, o.version
	if o.expiration > 0 {
		c.Expiration = durationpb.New(o.expiration)
	}
	if extra := o.callOptions(now); extra.ProtoReflect().IsValid() && !isEmpty(extra) {
		c.Options = extra
	}
}

func isEmpty(c *sendoffv1.CallOptions) bool {
	return c.Queue == "" && c.Priority == nil && c.Delay == nil && c.Retry == nil && c.Timeout == nil &&
		c.Name == "" && len(c.Labels) == 0 && !c.Detached
}
