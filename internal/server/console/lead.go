package console

import (
	"net/http"
	"strings"
)

// Lead leads a browser that asks the API for a task to the page of the task; base is what
// all paths are below. Other clients get the address of the page with the answer.
func Lead(base string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, is := strings.CutPrefix(r.URL.EscapedPath(), "/v1/tasks/")
		if is && id != "" && r.Method == http.MethodGet && !strings.Contains(id, "/") {
			w.Header().Add("Vary", "Accept")
			if r.Header.Get("Authorization") == "" && strings.Contains(r.Header.Get("Accept"), "text/html") {
				http.Redirect(w, r, "/tasks/"+id, http.StatusSeeOther)
				return
			}
			w.Header().Set("Link", "<"+base+"/tasks/"+id+`>; rel="alternate"; type="text/html"`)
		}
		h.ServeHTTP(w, r)
	})
}
