package dispatchapi

import (
	"net/http"
	"strings"
)

// Refuse answers a request without a valid API key if it is for this door, and
// tells whether it was. See [WriteUnauthenticated].
func Refuse(w http.ResponseWriter, r *http.Request) bool {
	if !serves(r.URL.Path) {
		return false
	}
	WriteUnauthenticated(w, r)
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
