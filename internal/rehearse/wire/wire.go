// Package wire connects endpoints and the scheduler of package rehearse by HTTP
// requests that stay in the process. It is apart because it needs a package for
// tests, which programs must not link.
package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1/sdkv1connect"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/gen/sendoff/v1/sendoffv1connect"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/internal/rehearse"
)

// Over serves requests by an endpoint's handler, in this process. now is the
// clock of virtual time; nil = time passes as it does.
func Over(h http.Handler, now func() time.Time) rehearse.Serve {
	return func(ctx context.Context, req *sdkv1.RunRequest) (*sdkv1.RunResponse, func(bool)) {
		if now != nil {
			ctx = durable.Virtual(ctx, now())
		}
		res, err := exchange(ctx, h, req)
		if err != nil {
			res = &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_HTTP_ERROR, Directive: &sdkv1.RunResponse_Exit{
				Exit: &sdkv1.Exit{Result: &sdkv1.CallResult{Error: &sdkv1.Error{Type: "HTTP_ERROR", Message: err.Error()}}},
			}}
		}
		return res, func(bool) {}
	}
}

func exchange(ctx context.Context, h http.Handler, req *sdkv1.RunRequest) (*sdkv1.RunResponse, error) {
	body, err := proto.Marshal(req)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1"+sdkv1connect.FunctionServiceRunProcedure, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/proto")
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", w.Code, w.Body)
	}
	res := &sdkv1.RunResponse{}
	return res, proto.Unmarshal(w.Body.Bytes(), res)
}

// Client is for what running functions and their clients ask of the scheduler.
// Its requests leave the process never.
func Client(s *rehearse.Scheduler) *http.Client {
	mux := http.NewServeMux()
	mux.Handle(sendoffv1connect.NewFunctionExtensionHandler(&extension{s: s}))
	return &http.Client{Transport: roundTripper{mux}}
}

type roundTripper struct{ h http.Handler }

// RoundTrip implements http.RoundTripper.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	t.h.ServeHTTP(w, r)
	return w.Result(), nil
}

type extension struct{ s *rehearse.Scheduler }

// Checkpoint implements the extension of the protocol.
func (x *extension) Checkpoint(ctx context.Context, r *sendoffv1.CheckpointRequest) (*sendoffv1.CheckpointResponse, error) {
	err := x.s.Checkpoint(ctx, r.GetDispatchId(), r.GetToken(), r.GetAppend())
	if errors.Is(err, durable.ErrStale) {
		return nil, connect.NewError(connect.CodeAborted, err)
	} else if err != nil {
		return nil, connect.NewError(connect.CodeInternal, err)
	}
	return &sendoffv1.CheckpointResponse{}, nil
}

// Receive implements the extension of the protocol.
func (x *extension) Receive(ctx context.Context, r *sendoffv1.ReceiveRequest) (*sendoffv1.ReceiveResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, r.GetWait().AsDuration())
	defer cancel()
	res, err := x.s.Receive(ctx, r.GetDispatchId(), r.GetToken(), r.GetAfter())
	switch {
	case errors.Is(err, durable.ErrStale):
		return nil, connect.NewError(connect.CodeAborted, err)
	case err != nil:
		return &sendoffv1.ReceiveResponse{}, nil
	}
	return res, nil
}

// Start implements the extension of the protocol. Ids and keys are not looked at.
func (x *extension) Start(_ context.Context, r *sendoffv1.StartRequest) (*sendoffv1.StartResponse, error) {
	id := x.s.Start(&sdkv1.Call{
		Endpoint: r.GetEndpoint(), Function: r.GetFunction(), Input: r.GetInput(), Expiration: r.GetExpiration(), Options: r.GetOptions(),
	})
	return &sendoffv1.StartResponse{DispatchId: id}, nil
}

// Wait implements the extension of the protocol. It answers at once.
func (x *extension) Wait(_ context.Context, r *sendoffv1.WaitRequest) (*sendoffv1.WaitResponse, error) {
	result, _ := x.s.Result(r.GetDispatchId())
	if result == nil {
		return &sendoffv1.WaitResponse{}, nil
	}
	a, err := anypb.New(result)
	return &sendoffv1.WaitResponse{Done: true, Result: a}, err
}

// SendSignal implements the extension of the protocol.
func (x *extension) SendSignal(_ context.Context, r *sendoffv1.SendSignalRequest) (*sendoffv1.SendSignalResponse, error) {
	if err := x.s.Signal(r.GetDispatchId(), r.GetName(), r.GetValue()); err != nil {
		return nil, connect.NewError(connect.CodeNotFound, err)
	}
	return &sendoffv1.SendSignalResponse{}, nil
}
