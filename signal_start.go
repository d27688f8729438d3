package sendoff

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
)

// SignalWithStart gives a signal to the call of f with that id ([CallID]), and starts
// it with the input when there is none: both at once, or none of it. It returns when
// that is on the server's disk. A call that has ended takes no signals and keeps its
// id: see [IsConflict]. It is repeated safely when an answer is lost; for one that
// you repeat yourself, within 24 hours, give an [IdempotencyKey] (and no Expiration,
// which makes each request another one). In a durable
// function it is a step. It needs a Sendoff server.
func SignalWithStart[I, O, T any](ctx context.Context, f *Function[I, O], in I, s *Signal[T], v T, opts ...DispatchOption) (*Handle[O], error) {
	o := gather(f.options, opts)
	if o.id == "" {
		return nil, errors.New("sendoff: SignalWithStart needs an ID for the call, given by CallID: it tells the one that may be there already")
	}
	n, err := f.start(ctx, in, o)
	if err != nil {
		return nil, err
	}
	value, err := encode(v)
	if err != nil {
		return nil, err
	}
	raw, err := proto.Marshal(value.Any())
	if err != nil {
		return nil, err
	}
	n.Signal = &StartSignal{Name: s.name, Any: raw}
	c, err := clientFor(ctx, f.endpoint.Load(), o)
	if err != nil {
		return nil, err
	}
	submit := func(ctx context.Context) (bool, error) {
		if n.IdempotencyKey == "" {
			n.IdempotencyKey = StepKey(ctx)
		}
		t, err := c.Submit(ctx, *n)
		if err != nil && IsConflict(err) {
			err = Permanent(err)
		}
		return t != nil && (t.Existing || t.Replayed), err
	}
	var existing bool
	if durable.In(ctx) {
		existing, err = Step(ctx, "start "+f.name+" with signal "+s.name, submit)
	} else {
		existing, err = submit(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &Handle[O]{ID: o.id, Existing: existing, name: f.name, client: c}, nil
}

// start is the task that a call of f asks for.
func (f *Function[I, O]) start(ctx context.Context, in I, o *options) (*NewTask, error) {
	now := time.Now()
	if durable.In(ctx) {
		now = durable.Now(ctx) // the same when the step runs again
	}
	call, err := f.call(in, o, now)
	if err != nil {
		return nil, err
	}
	if call.Endpoint, err = f.endpointURL(ctx, o); err != nil {
		return nil, err
	}
	input, err := proto.Marshal(call.GetInput())
	if err != nil {
		return nil, err
	}
	n := &NewTask{
		ID: o.id, IdempotencyKey: o.key, Function: call.GetFunction(), Endpoint: call.GetEndpoint(), Body: input,
		ContentType: "application/octet-stream",
	}
	n.options(call, now)
	return n, nil
}

// options are those of a call in the words of tasks.
func (n *NewTask) options(call *sdkv1.Call, now time.Time) {
	if d := call.GetExpiration(); d != nil {
		n.ExpiresAt = now.Add(d.AsDuration())
	}
	o := call.GetOptions()
	n.Queue, n.Name, n.Labels = o.GetQueue(), o.GetName(), o.GetLabels()
	n.Delay, n.Timeout = o.GetDelay().AsDuration(), o.GetTimeout().AsDuration()
	if o != nil && o.Priority != nil {
		n.Priority = new(int(*o.Priority))
	}
	r := o.GetRetry()
	if r == nil {
		return
	}
	n.Retry = &RetryPolicy{
		MaxAttempts: int(r.GetMaxAttempts()), MaxAge: r.GetMaxAge().AsDuration(), MinBackoff: r.GetMinBackoff().AsDuration(),
		MaxBackoff: r.GetMaxBackoff().AsDuration(), Factor: r.GetFactor(), Jitter: r.Jitter,
	}
}
