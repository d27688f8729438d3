package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Embed serves functions of this process under the endpoint embedded://NAME,
// without a connection: h is what you would mount in a server, such as a
// sendoff.Endpoint. Only this engine can run them, so it is for a program that
// is the only node of its database, or in which every node embeds the same.
// Requests are not signed.
func (e *Engine) Embed(name string, h http.Handler) { e.embedded.Store(name, NewTransport(h)) }

func (e *Engine) embeddedEndpoint(name string) (http.RoundTripper, bool) {
	t, ok := e.embedded.Load(name)
	if !ok {
		return nil, false
	}
	return t.(http.RoundTripper), true
}

// Checkpoint puts the end of steps on disk while a function of this process runs:
// give it to a sendoff.Endpoint as its Checkpoint. An error that is
// task.ErrStale means that the attempt must end.
func (e *Engine) Checkpoint(ctx context.Context, id string, token, offset int64, segment []byte) error {
	parsed, err := task.ParseID(id)
	if err != nil {
		return err
	}
	c := store.Checkpoint{ID: parsed, Token: token, Segment: task.Segment{Offset: offset, Bytes: segment}}
	errs, err := e.store.Append(ctx, []store.Checkpoint{c})
	if err == nil && errs[0] != nil {
		return fmt.Errorf("%w: %w", task.ErrStale, errs[0])
	}
	return err
}

// Receive tells a function of this process what came while it runs: give it to a
// sendoff.Endpoint as its Receive. It returns when there is something, after the time
// asked for, a minute at most, or when ctx ends. An error that is task.ErrStale means
// that the attempt must end.
func (e *Engine) Receive(ctx context.Context, m *sendoffv1.ReceiveRequest) (*sendoffv1.ReceiveResponse, error) {
	id, err := task.ParseID(m.GetDispatchId())
	if err != nil {
		return nil, fmt.Errorf("dispatch_id: %w", err)
	}
	wait := min(max(m.GetWait().AsDuration(), 0), time.Minute)
	r, err := e.functions.Receive(ctx, store.Held{ID: id, Token: m.GetToken()}, m.GetAfter(), wait)
	if errors.Is(err, store.ErrLeaseLost) {
		err = fmt.Errorf("%w: %w", task.ErrStale, err)
	}
	if err != nil {
		return nil, err
	}
	return function.Received(r)
}

func (e *Engine) embeds(name string) bool {
	_, ok := e.embedded.Load(name)
	return ok
}

// NewTransport returns a transport whose requests are answered by h in the same
// process. With it a sendoff.Client can talk to an engine's Handler without a
// connection.
func NewTransport(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ h http.Handler }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "embedded"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer in.Body.Close()
	w := recorders.Get().(*recorder)
	w.reset()
	t.h.ServeHTTP(w, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header,
		Body: &recorded{Reader: bytes.NewReader(w.body.Bytes()), w: w}, ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

var recorders = sync.Pool{New: func() any { return &recorder{} }}

// recorder keeps an answer in memory.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	status int
}

func (w *recorder) reset() {
	w.header, w.status = http.Header{}, 0
	w.body.Reset()
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Flush implements http.Flusher; there is nobody to send to yet.
func (w *recorder) Flush() {}

// recorded is the body of an answer, whose memory is used again afterwards.
type recorded struct {
	*bytes.Reader
	w    *recorder
	once sync.Once
}

var _ io.ReadCloser = (*recorded)(nil)

func (b *recorded) Close() error {
	b.once.Do(func() {
		b.Reader = bytes.NewReader(nil)
		if b.w.body.Cap() < 1<<20 {
			recorders.Put(b.w)
		}
	})
	return nil
}
