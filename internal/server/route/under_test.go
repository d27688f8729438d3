package route_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/server/route"
)

// TestPathsAreBelowABase, whether a proxy has taken it off or not, with their escapes.
func TestPathsAreBelowABase(t *testing.T) {
	h := route.Under("/ops/sendoff", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.Header().Set("X-Path", r.URL.EscapedPath())
		w.WriteHeader(http.StatusCreated)
		w.(http.Flusher).Flush()
	}))
	for _, c := range []struct{ path, inside, to, location string }{
		{"/ops/sendoff/", "/", "/tasks", "/ops/sendoff/tasks"},
		{"/ops/sendoff/tasks/a%2Fb", "/tasks/a%2Fb", "/", "/ops/sendoff/"},
		{"/tasks/a%2Fb", "/tasks/a%2Fb", "/tasks", "/ops/sendoff/tasks"},
		{"/ops/sendoffice", "/ops/sendoffice", "https://other/x", "https://other/x"},
		{"/livez", "/livez", "//other/x", "//other/x"},
		{"/livez", "/livez", "", ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", c.path+"?to="+c.to, nil))
		require.Equal(t, []string{c.inside, c.location}, []string{w.Header().Get("X-Path"), w.Header().Get("Location")}, c.path)
		require.True(t, w.Flushed)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/ops/sendoff", nil))
	require.Equal(t, "/ops/sendoff/", w.Header().Get("Location"))
	w = httptest.NewRecorder()
	route.Under("", http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
	require.Equal(t, 404, w.Code)
}
