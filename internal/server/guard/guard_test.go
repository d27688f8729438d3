package guard

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// ask sends a request through a guard and returns the answer; 204 is that of the
// door behind it.
func ask(cfg Config, method, target string, header ...string) *http.Response {
	door := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Wrap(door, cfg).ServeHTTP(w, r)
	return w.Result()
}

func TestWhoMayComeIn(t *testing.T) {
	keys := Config{Keys: []string{"old", "new"}, Open: []string{"/livez"}}
	for name, tt := range map[string]struct {
		cfg    Config
		path   string
		header []string
		want   int
	}{
		"without keys everybody":              {Config{}, "/v1/tasks", nil, 204},
		"no key":                              {keys, "/v1/tasks", nil, 401},
		"an unknown key":                      {keys, "/v1/tasks", []string{"Authorization", "Bearer other"}, 401},
		"the beginning of a key":              {keys, "/v1/tasks", []string{"Authorization", "Bearer ne"}, 401},
		"an empty key":                        {keys, "/v1/tasks", []string{"Authorization", "Bearer "}, 401},
		"a key without its scheme":            {keys, "/v1/tasks", []string{"Authorization", "new"}, 401},
		"a key in another scheme":             {keys, "/v1/tasks", []string{"Authorization", "Basic new"}, 401},
		"the first of two keys":               {keys, "/v1/tasks", []string{"Authorization", "Bearer old"}, 204},
		"the second of two keys":              {keys, "/v1/tasks", []string{"Authorization", "bearer  new"}, 204},
		"a path that is open":                 {keys, "/livez", nil, 204},
		"a path below an open one":            {keys, "/livez/x", nil, 401},
		"a path that is open by another name": {keys, "/./livez", nil, 401},
	} {
		t.Run(name, func(t *testing.T) {
			res := ask(tt.cfg, "GET", "http://127.0.0.1"+tt.path, tt.header...)
			require.Equal(t, tt.want, res.StatusCode)
			if tt.want == 401 {
				require.Equal(t, "Bearer", res.Header.Get("WWW-Authenticate"))
				require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
			}
		})
	}
}

// A page that a name of its own makes to resolve to this machine speaks to us under
// that name.
func TestOnlyNamesOfThisMachineAreAnsweredLocally(t *testing.T) {
	for host, want := range map[string]int{
		"localhost:4450": 204, "app.localhost": 204, "127.0.0.1:4450": 204, "127.9.9.9": 204, "[::1]:4450": 204, "LOCALHOST": 204,
		"sendoff.internal": 204, "sendoff.internal:4450": 204,
		"evil.example": 403, "evil.example:4450": 403, "192.168.1.1": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "": 403,
	} {
		res := ask(Config{Local: true, Hosts: []string{"sendoff.internal"}}, "GET", "http://127.0.0.1/v1/tasks", "Host", host)
		require.Equal(t, want, res.StatusCode, "Host %q", host)
	}
	require.Equal(t, 204, ask(Config{}, "GET", "http://127.0.0.1/", "Host", "evil.example").StatusCode, "all names are taken where clients bring a key")
}

func TestWritesFromAnotherSiteAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		method string
		header []string
		want   int
	}{
		"a program":                     {"POST", nil, 204},
		"a page of ours":                {"POST", []string{"Origin", "http://127.0.0.1"}, 204},
		"a page of another site":        {"POST", []string{"Origin", "https://evil.example"}, 403},
		"a page of no site":             {"POST", []string{"Origin", "null"}, 403},
		"a browser says it":             {"POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a link from another site":      {"GET", []string{"Sec-Fetch-Site", "cross-site"}, 204},
		"a browser that was asked here": {"DELETE", []string{"Sec-Fetch-Site", "same-origin"}, 204},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, ask(Config{}, tt.method, "http://127.0.0.1/v1/tasks", tt.header...).StatusCode)
		})
	}
}

func TestAQueryThatWouldLoseSomethingIsRefused(t *testing.T) {
	for query, want := range map[string]int{"": 204, "a=1&b=2": 204, "a=%20": 204, "a=1;b=2": 400, "a=%zz": 400} {
		require.Equal(t, want, ask(Config{}, "GET", "http://127.0.0.1/v1/tasks?"+query).StatusCode, query)
	}
}

func TestADoorMayRefuseInItsOwnWords(t *testing.T) {
	cfg := Config{Keys: []string{"k"}, Refuse: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/theirs" {
			return false
		}
		w.WriteHeader(http.StatusTeapot)
		return true
	}}
	require.Equal(t, http.StatusTeapot, ask(cfg, "POST", "http://127.0.0.1/theirs").StatusCode)
	require.Equal(t, http.StatusUnauthorized, ask(cfg, "POST", "http://127.0.0.1/ours").StatusCode)
}
