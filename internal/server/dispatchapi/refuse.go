package dispatchapi

import (
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// Refuse answers a request without a valid API key, or with one that may not do that, if
// it is for this door, and tells whether it was: with the status and the JSON of a Connect
// error, or with the trailers of gRPC for its clients.
func Refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) bool {
	if !serves(r.URL.Path) {
		return false
	}
	code := connect.CodeUnauthenticated
	if p.Status == http.StatusForbidden {
		code = connect.CodePermissionDenied
	}
	writeError(w, r, connect.NewError(code, p))
	return true
}

// serves tells whether a path belongs to this door.
func serves(path string) bool {
	for _, prefix := range []string{"/dispatch.sdk.v1.", "/dispatch.v1.", "/sendoff.v1.", "/sessions/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
