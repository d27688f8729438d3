package sendoff

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// CallOption says how a function is called. Given to [Func] and [Remote] it holds
// for each call of the function; given to a call it comes after those. All but
// [Expiration], [OnEndpoint] and [OnVersion] need a Sendoff server, others ignore
// them.
type CallOption interface {
	DispatchOption
	forCall()
}

// DispatchOption says how a call from outside is made, by [Function.Dispatch] and
// [SignalWithStart]: every CallOption, and [CallID], [IdempotencyKey] and [Via].
type DispatchOption interface {
	set(o *options)
	forDispatch()
}

// StepOption says how a step is run: [Retry], [NoRetry] and [AttemptTimeout].
type StepOption interface {
	set(o *options)
	forStep()
}

// Option has a meaning for calls and for steps.
type Option interface {
	CallOption
	StepOption
}

// SendOption says how something is sent to a call that is there: [Via].
type SendOption interface {
	DispatchOption
	forSend()
}

type (
	dispatchOption func(*options)
	sendOption     struct{ dispatchOption }
	callOption     struct{ dispatchOption }
	option         struct{ callOption }
)

func (f dispatchOption) set(o *options) { f(o) }
func (dispatchOption) forDispatch()     {}
func (sendOption) forSend()             {}
func (callOption) forCall()             {}
func (option) forStep()                 {}

func onCall(set func(*options)) CallOption { return callOption{set} }
func onBoth(set func(*options)) Option     { return option{callOption{set}} }

type options struct {
	call       sendoffv1.CallOptions
	retry      *RetryPolicy
	noRetry    bool
	timeout    time.Duration
	id         string
	key        string
	at         time.Time
	expiration time.Duration
	endpoint   string
	version    string
	client     *Client
}

// gather applies options, those of the function before those of the call.
func gather[A, B interface{ set(o *options) }](ofFunction []A, ofCall []B) *options {
	o := &options{}
	for _, a := range ofFunction {
		a.set(o)
	}
	for _, b := range ofCall {
		b.set(o)
	}
	return o
}

// Retry says when a call or a step that failed is tried again. Default for
// calls: the server's; for steps: 5 attempts, the first wait 200 ms, the longest
// 10 s. Steps wait within the attempt of the function.
func Retry(p RetryPolicy) Option {
	return onBoth(func(o *options) { o.retry, o.noRetry = &p, false })
}

// NoRetry has a call or a step tried once.
func NoRetry() Option { return onBoth(func(o *options) { o.retry, o.noRetry = nil, true }) }

// AttemptTimeout bounds one attempt of a call or a step. [Expiration] bounds all
// attempts of a call together.
func AttemptTimeout(d time.Duration) Option { return onBoth(func(o *options) { o.timeout = d }) }

// CallID names the call: when there is one with this id already, it is returned,
// and no second one is made.
func CallID(id string) DispatchOption { return dispatchOption(func(o *options) { o.id = id }) }

// IdempotencyKey names the request: the same one sent again within 24 hours makes
// no second call. Default: a random one for each.
func IdempotencyKey(key string) DispatchOption {
	return dispatchOption(func(o *options) { o.key = key })
}

// Delay has a call start after a while.
func Delay(d time.Duration) CallOption {
	return onCall(func(o *options) { o.call.Delay = durationpb.New(d) })
}

// At has a call start at a time.
func At(t time.Time) CallOption { return onCall(func(o *options) { o.at = t }) }

// OnQueue puts a call into a queue. Default: that of the caller.
func OnQueue(name string) CallOption { return onCall(func(o *options) { o.call.Queue = name }) }

// Priority is that of a call in its queue, 0 (first) to 9. Default: that of the
// caller.
func Priority(p int) CallOption {
	return onCall(func(o *options) { o.call.Priority = new(int32(min(max(p, 0), 9))) })
}

// Expiration bounds all attempts of a call together.
func Expiration(d time.Duration) CallOption { return onCall(func(o *options) { o.expiration = d }) }

// Named gives a call a label for people.
func Named(name string) CallOption { return onCall(func(o *options) { o.call.Name = name }) }

// Labels gives a call labels to find it by.
func Labels(labels map[string]string) CallOption {
	return onCall(func(o *options) { o.call.Labels = labels })
}

// LimitedBy has a call run when all limits have room. A limit that is configured counts in
// place of what is said here; see [NewTask].
func LimitedBy(limits ...Limit) CallOption {
	return onCall(func(o *options) {
		o.call.Limits = nil
		for _, l := range limits {
			o.call.Limits = append(o.call.Limits, &sendoffv1.Limit{Key: l.Key, Concurrency: int32(l.Concurrency), Rate: l.Rate, Burst: int32(l.Burst)})
		}
	})
}

// InOrder has calls, and tasks, with the same key run one at a time, in the order in which
// they were made.
func InOrder(key string) CallOption { return onCall(func(o *options) { o.call.OrderKey = key }) }

// Duplicates says what becomes of a call while others with the same key have not ended:
// a rule such as [DuplicateSerial]. key "" = the function with its input. A call that is not
// made because of it ends at once for its caller, as one that was canceled.
func Duplicates(rule, key string) CallOption {
	return onCall(func(o *options) { o.call.OnDuplicate, o.call.DuplicateKey = rule, key })
}

// Detached has a call go on whatever becomes of its caller; nobody can wait for
// its result.
func Detached() CallOption { return onCall(func(o *options) { o.call.Detached = true }) }

// OnEndpoint is the URL of the app that has the function. Default: that of the
// caller.
func OnEndpoint(url string) CallOption { return onCall(func(o *options) { o.endpoint = url }) }

// OnVersion is the version of the function, where the platform knows such a
// thing.
func OnVersion(v string) CallOption { return onCall(func(o *options) { o.version = v }) }

// Via has what is sent go through a client. Default: that of the endpoint that
// serves the function, otherwise one from the environment, see [ClientConfig].
func Via(c *Client) SendOption {
	return sendOption{func(o *options) { o.client = c }}
}

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

func wirePolicy(r *RetryPolicy) *sendoffv1.RetryPolicy {
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
	if extra := o.callOptions(now); proto.Size(extra) > 0 {
		c.Options = extra
	}
}
