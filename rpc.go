package sendoff

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1/sdkv1connect"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/gen/sendoff/v1/sendoffv1connect"
	"github.com/sendoff-dev/sendoff/internal/durable"
)

// newExtension is what Sendoff adds to the protocol of Dispatch, as a client.
func (c *Client) newExtension() sendoffv1connect.FunctionExtensionClient {
	return sendoffv1connect.NewFunctionExtensionClient(c.http, c.base, c.rpcOptions()...)
}

func (c *Client) rpcOptions() []connect.ClientOption {
	auth := connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
			r.Header().Set("User-Agent", c.agent)
			if c.key != "" {
				r.Header().Set("Authorization", "Bearer "+c.key)
			}
			return next(ctx, r)
		}
	})
	return []connect.ClientOption{connect.WithInterceptors(auth)}
}

// explain says what to do about the errors of a server that people meet.
func (c *Client) explain(err error) error {
	switch connect.CodeOf(err) {
	case connect.CodeUnauthenticated:
		return fmt.Errorf("%s refused the API key: set SENDOFF_API_KEY or DISPATCH_API_KEY: %w", c.base, err)
	case connect.CodeUnimplemented:
		return fmt.Errorf("%s is not a Sendoff server that runs functions: %w", c.base, err)
	}
	return err
}

// Handle is a call that was made by [Function.Dispatch], or found by [Function.Handle].
type Handle[O any] struct {
	ID       string // dispatch id, or the one that was chosen for it
	Existing bool   // there was a call with this id or key already

	name   string
	client *Client
}

// Dispatch has a server run the function, and returns when the call is on its
// disk. Of a Sendoff server it asks for everything that the options say, and is
// repeated safely when an answer is lost; other servers of Dispatch get the
// call without options, once. In a durable function it is a step; [Function.Start]
// is what you want there in most cases.
func (f *Function[I, O]) Dispatch(ctx context.Context, in I, opts ...DispatchOption) (*Handle[O], error) {
	o := gather(f.options, opts)
	call, err := f.call(in, o, time.Now())
	if err != nil {
		return nil, err
	}
	c, err := clientFor(ctx, f.endpoint.Load(), o)
	if err != nil {
		return nil, err
	}
	if call.Endpoint, err = f.endpointURL(ctx, o); err != nil {
		return nil, err
	}
	key := o.key
	if key == "" && o.id == "" {
		key = newKey()
	}
	if !durable.In(ctx) {
		return startCall[O](ctx, c, call, o.id, key)
	}
	id, err := Step(ctx, "dispatch "+f.name, func(ctx context.Context) (string, error) {
		if o.key == "" && o.id == "" {
			key = StepKey(ctx)
		}
		h, err := startCall[O](ctx, c, call, o.id, key)
		if err != nil {
			return "", err
		}
		return h.ID, nil
	})
	return &Handle[O]{ID: id, name: f.name, client: c}, err
}

func startCall[O any](ctx context.Context, c *Client, call *sdkv1.Call, id, key string) (*Handle[O], error) {
	req := &sendoffv1.StartRequest{
		Endpoint: call.GetEndpoint(), Function: call.GetFunction(), Input: call.GetInput(),
		Expiration: call.GetExpiration(), Options: call.GetOptions(), Id: id, IdempotencyKey: key,
	}
	for try := 0; ; try++ {
		res, err := c.extension().Start(ctx, req)
		switch {
		case err == nil:
			return &Handle[O]{ID: res.GetDispatchId(), Existing: res.GetExisting(), name: call.GetFunction(), client: c}, nil
		case connect.CodeOf(err) == connect.CodeUnimplemented || connect.CodeOf(err) == connect.CodeNotFound:
			return startPlain[O](ctx, c, call)
		case connect.CodeOf(err) != connect.CodeUnavailable || try >= c.resends:
			return nil, c.explain(err)
		}
		if sleep(ctx, resendAfter(try)) != nil {
			return nil, c.explain(err)
		}
	}
}

// startPlain makes a call at a server that knows only the protocol of Dispatch.
func startPlain[O any](ctx context.Context, c *Client, call *sdkv1.Call) (*Handle[O], error) {
	client := sdkv1connect.NewDispatchServiceClient(c.http, c.base, c.rpcOptions()...)
	res, err := client.Dispatch(ctx, &sdkv1.DispatchRequest{Calls: []*sdkv1.Call{call}})
	if err != nil {
		return nil, c.explain(err)
	}
	if len(res.GetDispatchIds()) != 1 {
		return nil, fmt.Errorf("%s answered with %d ids for one call", c.base, len(res.GetDispatchIds()))
	}
	return &Handle[O]{ID: res.GetDispatchIds()[0], name: call.GetFunction(), client: c}, nil
}

// Wait waits until the call has ended and returns its result; a failure is a
// [*CallError]. It needs a Sendoff server.
func (h *Handle[O]) Wait(ctx context.Context) (O, error) {
	var zero O
	failures := 0
	for {
		res, err := h.client.extension().Wait(ctx, &sendoffv1.WaitRequest{DispatchId: h.ID, Timeout: durationpb.New(25 * time.Second)})
		switch {
		case ctx.Err() != nil:
			return zero, ctx.Err()
		case err != nil && (connect.CodeOf(err) != connect.CodeUnavailable || failures >= h.client.resends):
			return zero, h.client.explain(err)
		case err != nil:
			if err := sleep(ctx, resendAfter(failures)); err != nil {
				return zero, err
			}
			failures++
			continue
		case res.GetDone():
			return h.result(res)
		}
		failures = 0
	}
}

// Handle is the call of this function with that id, which may be one that was
// chosen for it ([CallID]) or that came from elsewhere. It asks nobody: whether there
// is such a call is told by the methods of the handle. The error says that no
// server is known.
func (f *Function[I, O]) Handle(ctx context.Context, id string, opts ...SendOption) (*Handle[O], error) {
	if id == "" {
		return nil, errors.New("sendoff: a handle of function " + f.name + " needs the id of a call")
	}
	c, err := clientFor(ctx, f.endpoint.Load(), gather(f.options, opts))
	if err != nil {
		return nil, err
	}
	return &Handle[O]{ID: id, Existing: true, name: f.name, client: c}, nil
}

// Cancel ends the call, with the calls that it has made, and stops its attempt; one
// with a [Saga] undoes first what it did, see [Tasks.Cancel].
// It may be repeated; a call that has ended otherwise stays as it is, see
// [IsConflict]. In a durable function it is a step. It needs a Sendoff server.
func (h *Handle[O]) Cancel(ctx context.Context) error {
	cancel := func(ctx context.Context) (struct{}, error) {
		_, err := h.client.Tasks.Cancel(ctx, h.ID)
		if err != nil && (IsNotFound(err) || IsConflict(err)) {
			err = Permanent(err)
		}
		return struct{}{}, err
	}
	if !durable.In(ctx) {
		_, err := cancel(ctx)
		return err
	}
	_, err := Step(ctx, "cancel "+h.name, cancel)
	return err
}

func (h *Handle[O]) result(res *sendoffv1.WaitResponse) (O, error) {
	var zero O
	var r sdkv1.CallResult
	if res.GetResult() != nil {
		if err := res.GetResult().UnmarshalTo(&r); err != nil {
			return zero, fmt.Errorf("the result of %s: %w", h.ID, err)
		}
	}
	if r.GetError() != nil {
		return zero, decodeCallError(h.name, r.GetError())
	}
	return decode[O](durable.FromAny(r.GetOutput()))
}

type endpointKey struct{}

// clientFor finds the client for a call from outside.
func clientFor(ctx context.Context, e *Endpoint, o *options) (*Client, error) {
	if o.client != nil {
		return o.client, nil
	}
	if e == nil {
		e, _ = ctx.Value(endpointKey{}).(*Endpoint)
	}
	if e != nil {
		return e.client, nil
	}
	return clientFromEnvironment("", "", nil)
}

func clientFromEnvironment(server, key string, h *http.Client) (*Client, error) {
	if server == "" {
		server = firstOf("DISPATCH_API_URL", "SENDOFF_URL")
	}
	if key == "" {
		key = firstOf("DISPATCH_API_KEY", "SENDOFF_API_KEY")
	}
	return NewClient(ClientConfig{URL: server, APIKey: key, HTTPClient: h})
}

func firstOf(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

func (f *Function[I, O]) endpointURL(ctx context.Context, o *options) (string, error) {
	if o.endpoint != "" {
		return o.endpoint, nil
	}
	e := f.endpoint.Load()
	if e == nil {
		e, _ = ctx.Value(endpointKey{}).(*Endpoint)
	}
	if e != nil && e.url != "" {
		return e.url, nil
	}
	if v := firstOf("DISPATCH_ENDPOINT_URL"); v != "" {
		return v, nil
	}
	return "", errors.New("sendoff: Dispatch does not know where function " + f.name +
		" runs: set DISPATCH_ENDPOINT_URL or EndpointConfig.URL, or use OnEndpoint")
}
