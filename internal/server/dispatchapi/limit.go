package dispatchapi

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"connectrpc.com/connect"

	"github.com/sendoff-dev/sendoff/gen/sendoff/v1/sendoffv1connect"
)

// maxReading bounds what is being read at a time, in bytes.
const maxReading = 256 << 20

// reader admits requests while there is room for their bodies.
type reader struct{ bytes atomic.Int64 }

// limit refuses a body that is too long before it is read, and any body while
// too many are being read.
func (b *reader) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := r.ContentLength
		if size > maxBody+1024 { // gRPC has a few bytes of framing
			writeError(w, r, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("the body has %d bytes: at most %d are allowed", size, maxBody)))
			return
		}
		if size < 0 {
			size = 1 << 20 // gRPC names no length: most are short
		}
		if r.URL.Path == sendoffv1connect.FunctionExtensionWaitProcedure {
			size = min(size, 1024) // it is held for long, and what it brings is short
		}
		defer b.bytes.Add(-size)
		if b.bytes.Add(size) > maxReading {
			w.Header().Set("Retry-After", "1")
			writeError(w, r, connect.NewError(connect.CodeUnavailable, errors.New("too many requests are being read: try again in a second")))
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errorWriter = connect.NewErrorWriter()

func writeError(w http.ResponseWriter, r *http.Request, err *connect.Error) {
	_ = errorWriter.Write(w, r, err) // the client may be gone
}

// WriteUnauthenticated refuses a request without a valid API key: with 401 and
// the JSON of a Connect error, or with the trailers of gRPC for its clients.
func WriteUnauthenticated(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	writeError(w, r, connect.NewError(connect.CodeUnauthenticated, errors.New("send a valid API key: Authorization: Bearer KEY")))
}
