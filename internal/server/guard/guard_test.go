package guard

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/auth"
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

func TestWhoAsksIsKnownBehindTheGuard(t *testing.T) {
	authorize := func(key string) (auth.Principal, error) {
		if key != "new" {
			return auth.Principal{}, errors.New("unknown")
		}
		return auth.Principal{Name: "mine", Scopes: auth.Read}, nil
	}
	for name, tt := range map[string]struct {
		authorize func(string) (auth.Principal, error)
		header    string
		want      string
	}{
		"without keys everybody":        {nil, "", "anybody of 192.0.2.1"},
		"no key":                        {authorize, "", ""},
		"an unknown key":                {authorize, "Bearer other", ""},
		"the beginning of a key":        {authorize, "Bearer ne", ""},
		"an empty key":                  {authorize, "Bearer ", ""},
		"a key without its scheme":      {authorize, "new", ""},
		"a key in another scheme":       {authorize, "Basic new", ""},
		"a key":                         {authorize, "Bearer new", "mine of 192.0.2.1"},
		"a key after blanks, any case":  {authorize, "bearer  new", "mine of 192.0.2.1"},
		"a key with something after it": {authorize, "Bearer new x", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			door := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if p := auth.From(r.Context()); p != nil {
					got = p.Name + " of " + p.Address
				}
			})
			r := httptest.NewRequest("GET", "http://127.0.0.1/v1/tasks", nil)
			r.Header.Set("Authorization", tt.header)
			Wrap(door, Config{Authorize: tt.authorize}).ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, tt.want, got)
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
