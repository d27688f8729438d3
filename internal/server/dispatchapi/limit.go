package dispatchapi

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"connectrpc.com/connect"

	"github.com/sendoff-dev/sendoff/internal/server/body"
)

// framing is what gRPC adds to a message at most, in bytes.
const framing = 1024

// limit refuses a body that is too long, before it is read if it says so.
func limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > maxBody+framing {
			writeError(w, r, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("the body has %d bytes: at most %d are allowed", r.ContentLength, maxBody)))
			return
		}
		limited := *r
		limited.Body = reader{http.MaxBytesReader(w, r.Body, maxBody+framing)}
		next.ServeHTTP(w, &limited)
	})
}

// reader says in the words of Connect why a body cannot be read.
type reader struct{ io.ReadCloser }

// Read implements io.Reader.
func (b reader) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, body.ErrBusy):
		err = connect.NewError(connect.CodeUnavailable, err)
	case errors.Is(err, body.ErrSlow):
		err = connect.NewError(connect.CodeDeadlineExceeded, err)
	}
	return n, err
}

var errorWriter = connect.NewErrorWriter()

func writeError(w http.ResponseWriter, r *http.Request, err *connect.Error) {
	_ = errorWriter.Write(w, r, err) // the client may be gone
}
