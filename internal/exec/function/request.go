package function

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/task"
)

// contentType is the only one that all SDKs take.
const contentType = "application/proto"

// request makes the HTTP request of the run. warm leaves the journal out, for the
// endpoint may hold it.
func (r *run) request(ctx context.Context, warm bool) (*http.Request, error) {
	m, err := r.message(ctx, warm)
	if err != nil {
		return nil, err
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, &unusable{fmt.Errorf("the run cannot be encoded: %w", err)}
	}
	return r.post(ctx, body)
}

// unusable marks an error that comes from the call itself: no retry heals it.
type unusable struct{ error }

func (e *unusable) Unwrap() error { return e.error }

// message is what the function is told. A resume does not carry the input.
func (r *run) message(ctx context.Context, warm bool) (*sdkv1.RunRequest, error) {
	t := r.task
	m := &sdkv1.RunRequest{
		Function: r.spec.Function, DispatchId: r.dispatchID(), RootDispatchId: t.ID.String(),
		CreationTime: timestamppb.New(time.UnixMicro(t.CreatedAt)),
	}
	if !t.Parent.IsZero() {
		m.ParentDispatchId = t.Parent.String()
	}
	if !t.Root.IsZero() {
		m.RootDispatchId = t.Root.String()
	}
	if t.ExpiresAt != 0 {
		m.ExpirationTime = timestamppb.New(time.UnixMicro(t.ExpiresAt))
	}
	most := maxRequest
	if r.small {
		most = smallRequest
	}
	r.delivered = deliver(r.resumption.Messages, &r.state, r.resumption.Journal, most)
	if r.resumed {
		m.Directive = &sdkv1.RunRequest_PollResult{PollResult: r.delivered.result}
	} else {
		input, err := inputOf(t.Payload, r.spec, r.endpoint.Own.ours())
		if err != nil {
			return nil, &unusable{err}
		}
		m.Directive = &sdkv1.RunRequest_Input{Input: input}
	}
	var err error
	m.Context, err = r.context(ctx, warm)
	return m, err
}

// context is what only Sendoff's SDK reads; others skip the field.
func (r *run) context(ctx context.Context, warm bool) (*sendoffv1.RunContext, error) {
	c := &sendoffv1.RunContext{
		Token: r.task.Token, Attempt: r.task.Failures + 1, Now: timestamppb.New(r.cfg.Now()),
		Epoch: r.resumption.Epoch, Signals: r.delivered.signal, Canceled: r.canceling(), Told: new(r.seen()),
	}
	if r.resumption.Journal > task.MaxState {
		return nil, &unusable{fmt.Errorf("its journal has %d bytes, more than a run can carry (%d)", r.resumption.Journal, task.MaxState)}
	}
	if r.cfg.Journal == nil {
		return c, nil
	}
	c.Journal = &sendoffv1.Journal{Length: r.resumption.Journal, Writer: r.resumption.Writer, Complete: true}
	switch {
	case r.resumption.Journal == 0:
	case warm:
		c.Journal.Complete = false
	default:
		segments, err := r.cfg.Journal(ctx, r.task.ID)
		if err != nil {
			return nil, fmt.Errorf("its journal could not be read: %w", err)
		}
		c.Journal.Segments = bytesOf(segments)
	}
	return c, nil
}

func bytesOf(segments []task.Segment) [][]byte {
	all := make([][]byte, len(segments))
	for i := range segments {
		all[i] = segments[i].Bytes
	}
	return all
}

// post wraps a body into the signed request of the protocol. There is no
// Accept-Encoding, for an answer that is packed costs more care than it saves.
func (r *run) post(ctx context.Context, body []byte) (*http.Request, error) {
	to := r.target
	h := http.Header{
		"Content-Type": {contentType}, "Connect-Protocol-Version": {"1"}, "User-Agent": {r.cfg.UserAgent},
		"Traceparent": {r.cfg.Traceparent(r.spec, r.task.ID, r.task.Token)},
	}
	if to.basic != "" {
		h.Set("Authorization", to.basic)
	}
	request := &http.Request{
		Method: http.MethodPost, URL: to.url, Host: to.authority, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)),
		// GetBody lets the transport start over on a fresh connection when an idle
		// one turns out to be closed before a byte was written.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	request.Body, _ = request.GetBody()
	if r.cfg.Sign != nil && to.session == "" && to.inside == nil {
		if err := r.sign(request, body); err != nil {
			return nil, &unusable{fmt.Errorf("the run cannot be signed: %w", err)}
		}
	}
	if r.endpoint.Circuit.Away() {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { r.endpoint.Circuit.Connected() }})
	}
	return request.WithContext(ctx), nil
}

// covered is what a signature covers. The SDKs refuse a request with more than
// one signature, or with another key id than "default".
var covered = []string{"@method", "@path", "@authority", "content-type", "content-digest"}

func (r *run) sign(request *http.Request, body []byte) error {
	request.Header.Set("Content-Digest", httpsig.Digest(body))
	m := httpsig.MessageOf(request)
	p := httpsig.Params{Created: r.cfg.Now().Unix(), KeyID: "default", Alg: "ed25519"}
	return httpsig.Sign(&m, "dispatch", covered, p, r.cfg.Sign)
}

// isConnectError tells whether a content type is that of the protocol's errors.
func isConnectError(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}

// dispatchID is the id of the call, in another spelling after a 500: capitals in
// places, which is the same id for everybody but for a map.
//
// dispatch-py 0.8.0 answers 500 to every further run of an id whose function has
// ended in that process, and runs come again when an answer was lost with a
// connection or with a server. Under another spelling it runs the function.
func (r *run) dispatchID() string {
	id := []byte(r.task.ID.String())
	if r.task.LastCode != http.StatusInternalServerError || r.endpoint.Own.ours() || r.state.ours {
		return string(id)
	}
	spelling := r.task.Failures
	for i, c := range id {
		if c < 'a' || c > 'f' {
			continue
		}
		if spelling&1 != 0 {
			id[i] = c - 'a' + 'A'
		}
		spelling >>= 1
	}
	return string(id)
}
