// Package inprocess carries HTTP requests to a handler of the same process: no
// connection, no copy of the request, and the memory of answers is used again. It
// knows net/http and nothing else.
package inprocess

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// Transport returns a transport whose requests h answers. An answer is there as a
// whole, when h has returned. Whoever closes its body gives its memory back.
func Transport(h http.Handler) http.RoundTripper { return transport{h} }

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
