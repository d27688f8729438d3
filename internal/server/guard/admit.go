package guard

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/auth"
)

// Door admits listed networks without a key, to create tasks and nothing else.
type Door struct {
	Name     string
	Networks []netip.Prefix
}

// Doors are the requests that each door takes from whoever has no key.
var Doors = map[string][]string{
	"api":       {"/v1/tasks", "/v1/tasks/batch"},
	"dispatch":  {"/dispatch.sdk.v1.DispatchService/Dispatch"},
	"dispatchr": {"/task"},
}

// Trust is what a header of a trusted proxy allows: whoever it says is Value may do Scopes.
type Trust struct {
	Header, Value string // "*" = whatever the header says
	Scopes        auth.Scope
}

// forwarding are the headers by which a proxy says for whom it asks.
var forwarding = []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"}

// admitted is whoever comes in without a key.
func (cfg *Config) admitted(r *http.Request) (auth.Principal, bool) {
	if p, ok := cfg.trusted(r); ok {
		return p, true
	}
	if cfg.SignedOn != nil {
		if p, ok := cfg.SignedOn(r); ok {
			return p, true
		}
	}
	if r.Method != http.MethodPost {
		return auth.Principal{}, false
	}
	for _, d := range cfg.Doors {
		if !slices.Contains(Doors[d.Name], r.URL.Path) {
			continue
		}
		if addr, ok := cfg.client(r); ok && within(d.Networks, addr) {
			return auth.Principal{Name: "open door " + d.Name, Namespace: auth.DefaultNamespace, Scopes: auth.Enqueue}, true
		}
	}
	return auth.Principal{}, false
}

// trusted is whom a trusted proxy has signed on.
func (cfg *Config) trusted(r *http.Request) (p auth.Principal, ok bool) {
	if len(cfg.Trust) == 0 || !within(cfg.Proxies, socket(r)) {
		return p, false
	}
	for _, t := range cfg.Trust {
		for _, text := range r.Header.Values(t.Header) {
			for value := range strings.SplitSeq(text, ",") {
				if value = strings.TrimSpace(value); value != "" && (t.Value == "*" || t.Value == value) {
					p.Scopes |= t.Scopes
				}
			}
		}
	}
	p.Namespace, p.Name = auth.DefaultNamespace, "signed on by the proxy"
	if user := r.Header.Get(cfg.User); user != "" {
		p.Name = strings.ToValidUTF8(user[:min(len(user), 200)], "\uFFFD")
	}
	return p, p.Scopes != 0
}

// client is where a request comes from: the address of the socket, and behind trusted
// proxies the last one that they did not add themselves. It is not known when headers say
// that it was forwarded by somebody who is not trusted.
func (cfg *Config) client(r *http.Request) (netip.Addr, bool) {
	addr := socket(r)
	if !within(cfg.Proxies, addr) {
		said := slices.ContainsFunc(forwarding, func(name string) bool { return len(r.Header.Values(name)) > 0 })
		return addr, addr.IsValid() && !said
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return netip.Addr{}, false
		}
		if addr = addr.Unmap(); !within(cfg.Proxies, addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// socket is the address of whoever is connected.
func socket(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap().WithZone("")
}

func within(networks []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}
