package api

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// Routes whose bodies are read more strictly than huma does are written by hand. What they
// have in common is here.

// byHand is the handler of a route that do carries out: it returns what to answer, or why
// there is nothing.
func byHand(refuse func(http.ResponseWriter, *problem.Problem), do func(http.ResponseWriter, *http.Request) (int, any, *problem.Problem)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, v, fault := do(w, r)
		if fault != nil {
			refuse(w, fault)
			return
		}
		answer(w, r, status, v)
	}
}

// answer sends what whoever asked may see of plain data, which can be encoded.
func answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, _ := json.Marshal(shownTo(r.Context(), v))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}

// readAs reads a body of at most limit bytes; text is what it was read from.
func readAs[T any](w http.ResponseWriter, r *http.Request, limit int64) (req T, text []byte, fault *problem.Problem) {
	if text, fault = read(w, r, limit); fault == nil {
		fault = decode(text, &req)
	}
	return req, text, fault
}
