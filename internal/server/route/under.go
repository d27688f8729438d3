package route

import (
	"net/http"
	"net/url"
	"strings"
)

// Under serves a handler below a base such as /sendoff: the base is taken off the paths of
// requests, and put before those that answers lead to with Location. What comes without
// the base is served as well, so that it does not matter whether a proxy takes it off, and
// probes need not know it. "" is no base.
func Under(base string, h http.Handler) http.Handler {
	if base == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == base {
			http.Redirect(w, r, base+"/", http.StatusMovedPermanently)
			return
		}
		h.ServeHTTP(&moved{ResponseWriter: w, base: base}, Below(base, r))
	})
}

// Below is a request without the base of its path, or as it is when it has none.
func Below(base string, r *http.Request) *http.Request {
	path, under := strings.CutPrefix(r.URL.Path, base+"/")
	if !under {
		return r
	}
	in := new(http.Request)
	*in = *r
	in.URL = new(url.URL)
	*in.URL = *r.URL
	in.URL.Path = "/" + path
	if raw, escaped := strings.CutPrefix(r.URL.RawPath, base+"/"); escaped {
		in.URL.RawPath = "/" + raw
	}
	return in
}

// moved is an answer whose Location is below a base.
type moved struct {
	http.ResponseWriter
	base string
	done bool
}

// WriteHeader implements http.ResponseWriter.
func (m *moved) WriteHeader(status int) {
	if to := m.Header().Get("Location"); !m.done && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") {
		m.Header().Set("Location", m.base+to)
		m.done = status >= http.StatusOK
	}
	m.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find what is below.
func (m *moved) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// Flush implements http.Flusher.
func (m *moved) Flush() { _ = http.NewResponseController(m.ResponseWriter).Flush() }
