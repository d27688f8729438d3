package dispatchapi

import (
	"net/http"
	"strings"
)

// Refuse answers a request without a valid API key if it is for this door, and
// tells whether it was.
func Refuse(w http.ResponseWriter, r *http.Request) bool {
	for _, prefix := range []string{"/dispatch.", "/sendoff.v1.", "/sessions/"} {
		if strings.HasPrefix(r.URL.Path, prefix) {
			WriteUnauthenticated(w, r)
			return true
		}
	}
	return false
}
