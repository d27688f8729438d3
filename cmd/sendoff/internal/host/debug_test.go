package host

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProfilesAreForThisMachine: a page in a browser that calls it by another name gets none.
func TestProfilesAreForThisMachine(t *testing.T) {
	for host, want := range map[string]int{
		"127.0.0.1:6060": http.StatusOK, "localhost:6060": http.StatusOK, "[::1]:6060": http.StatusOK, "127.0.0.1": http.StatusOK,
		"evil.example:6060": http.StatusMisdirectedRequest, "10.0.0.1:6060": http.StatusMisdirectedRequest, "": http.StatusMisdirectedRequest,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/goroutine?debug=1", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		profiles().ServeHTTP(w, r)
		require.Equal(t, want, w.Code, host)
	}
}
