package api

import (
	"net/http"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
)

// NotFound answers what no route of the mux does: 405 when another method would
// do, otherwise 404.
func NotFound(mux *route.Mux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			other := r.Clone(r.Context())
			other.Method = method
			if mux.Pattern(other) != "/" && method != r.Method {
				allowed = append(allowed, method)
			}
		}
		if len(allowed) == 0 {
			problem.Write(w, problem.New(http.StatusNotFound, "not_found", "there is no "+r.URL.Path+": see /openapi.json"))
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		problem.Write(w, problem.New(http.StatusMethodNotAllowed, "method_not_allowed", r.Method+" is not possible here: want "+strings.Join(allowed, " or ")))
	}
}
