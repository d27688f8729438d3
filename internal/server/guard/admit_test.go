package guard

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/auth"
)

func nets(list ...string) (out []netip.Prefix) {
	for _, text := range list {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// known is who a guard takes a request to be from: name, scopes and address; "" = nobody.
func known(cfg Config, method, path, from string, header ...string) (who string) {
	door := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if p := auth.From(r.Context()); p != nil {
			who = p.Name + ": " + p.Scopes.String() + ", " + p.Address
		}
	})
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, nil)
	r.RemoteAddr = from
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	Wrap(door, cfg).ServeHTTP(httptest.NewRecorder(), r)
	return who
}

func onlyWithKey(key string) (auth.Principal, error) {
	if key == "k" {
		return auth.Principal{Name: "key", Scopes: auth.Read}, nil
	}
	return auth.Principal{}, errors.New("unknown")
}

func TestAnOpenDoorAdmitsItsNetworksToCreate(t *testing.T) {
	cfg := Config{Authorize: onlyWithKey, Doors: []Door{{"dispatchr", nets("10.0.0.0/8", "fd00::/8")}, {"api", nets("192.0.2.0/24")}}}
	const dispatchr, api = "open door dispatchr: enqueue, ", "open door api: enqueue, "
	for name, tt := range map[string]struct {
		method, path, from string
		header             []string
		want               string
	}{
		"its network":                    {"POST", "/task", "10.1.2.3:5", nil, dispatchr + "10.1.2.3"},
		"its network, of IPv6":           {"POST", "/task", "[fd00::1]:5", nil, dispatchr + "fd00::1"},
		"its network, as IPv6 writes it": {"POST", "/task", "[::ffff:10.1.2.3]:5", nil, dispatchr + "::ffff:10.1.2.3"},
		"another network":                {"POST", "/task", "11.1.2.3:5", nil, ""},
		"the network of another door":    {"POST", "/task", "192.0.2.1:5", nil, ""},
		"another request":                {"GET", "/task", "10.1.2.3:5", nil, ""},
		"another door":                   {"POST", "/v1/tasks", "10.1.2.3:5", nil, ""},
		"a path below":                   {"POST", "/task/x", "10.1.2.3:5", nil, ""},
		"the API":                        {"POST", "/v1/tasks", "192.0.2.1:5", nil, api + "192.0.2.1"},
		"a batch":                        {"POST", "/v1/tasks/batch", "192.0.2.1:5", nil, api + "192.0.2.1"},
		"reading":                        {"GET", "/v1/tasks", "192.0.2.1:5", nil, ""},
		"steering":                       {"POST", "/v1/tasks/x/cancel", "192.0.2.1:5", nil, ""},
		"forwarded":                      {"POST", "/task", "10.1.2.3:5", []string{"X-Forwarded-For", "10.1.2.3"}, ""},
		"forwarded, as RFC 7239 has it":  {"POST", "/task", "10.1.2.3:5", []string{"Forwarded", "for=10.1.2.3"}, ""},
		"through a proxy that says its":  {"POST", "/task", "10.1.2.3:5", []string{"Via", "1.1 proxy"}, ""},
		"forwarded, in an empty header":  {"POST", "/task", "10.1.2.3:5", []string{"X-Real-IP", ""}, ""},
		"a wrong key is not overlooked":  {"POST", "/task", "10.1.2.3:5", []string{"Authorization", "Bearer x"}, ""},
		"a key counts":                   {"POST", "/task", "10.1.2.3:5", []string{"Authorization", "Bearer k"}, "key: read, 10.1.2.3"},
		"no address":                     {"POST", "/task", "@", nil, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, known(cfg, tt.method, tt.path, tt.from, tt.header...)) })
	}
}

func TestBehindATrustedProxyTheClientCounts(t *testing.T) {
	cfg := Config{Authorize: onlyWithKey, Doors: []Door{{"dispatchr", nets("10.0.0.0/8")}}, Proxies: nets("192.0.2.0/24")}
	for said, want := range map[string]string{
		"10.1.2.3":                         "open door dispatchr: enqueue, 10.1.2.3",
		"203.0.113.1, 10.1.2.3":            "open door dispatchr: enqueue, 10.1.2.3",
		"10.1.2.3, 192.0.2.9":              "open door dispatchr: enqueue, 10.1.2.3",
		"10.1.2.3, 203.0.113.1":            "", // whoever asked the proxy said the first
		"10.1.2.3, nonsense":               "",
		"10.1.2.3, 203.0.113.1, 192.0.2.9": "",
		"192.0.2.9":                        "",
	} {
		require.Equal(t, want, known(cfg, "POST", "/task", "192.0.2.1:5", "X-Forwarded-For", said), said)
	}
	require.Empty(t, known(cfg, "POST", "/task", "192.0.2.1:5"), "the proxy itself")
	require.Empty(t, known(cfg, "POST", "/task", "203.0.113.1:5", "X-Forwarded-For", "10.1.2.3"), "another proxy")
}

func TestATrustedProxySignsPeopleOn(t *testing.T) {
	cfg := Config{
		Authorize: onlyWithKey, Proxies: nets("192.0.2.0/24"), User: "X-User",
		Trust: []Trust{{"X-Groups", "ops", auth.Read | auth.Operate}, {"X-Groups", "boss", auth.Admin}, {"X-Staff", "*", auth.Read}},
	}
	for name, tt := range map[string]struct {
		from   string
		header []string
		want   string
	}{
		"a group":            {"192.0.2.1:5", []string{"X-Groups", "ops", "X-User", "ada"}, "ada: read, operate, 192.0.2.1"},
		"several":            {"192.0.2.1:5", []string{"X-Groups", "dev, boss ,ops"}, "signed on by the proxy: read, operate, admin, 192.0.2.1"},
		"any value":          {"192.0.2.1:5", []string{"X-Staff", "yes", "X-Forwarded-For", "203.0.113.7"}, "signed on by the proxy: read, 203.0.113.7"},
		"a group of nobody":  {"192.0.2.1:5", []string{"X-Groups", "dev"}, ""},
		"an empty header":    {"192.0.2.1:5", []string{"X-Staff", ""}, ""},
		"only the user":      {"192.0.2.1:5", []string{"X-User", "ada"}, ""},
		"not from the proxy": {"203.0.113.1:5", []string{"X-Groups", "boss"}, ""},
		"beside a wrong key": {"192.0.2.1:5", []string{"X-Groups", "boss", "Authorization", "Bearer x"}, ""},
		"part of the value":  {"192.0.2.1:5", []string{"X-Groups", "bossy"}, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, known(cfg, "GET", "/v1/tasks", tt.from, tt.header...)) })
	}
}
