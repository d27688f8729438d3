package engine

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/guard"
)

// OpenDoor admits networks without an API key where keys are needed, to create tasks in the
// default namespace and nothing else. Make one with [ParseOpenDoor].
type OpenDoor struct{ door guard.Door }

// ParseOpenDoor reads DOOR=NETWORK, DOOR being api (POST /v1/tasks and /v1/tasks/batch),
// dispatch (Dispatch of Dispatch) or dispatchr (POST /task).
func ParseOpenDoor(text string) (OpenDoor, error) {
	name, network, _ := strings.Cut(text, "=")
	if _, known := guard.Doors[name]; !known {
		return OpenDoor{}, fmt.Errorf("%q is no door: want one of %s, such as dispatchr=10.0.0.0/8", name, strings.Join(slices.Sorted(maps.Keys(guard.Doors)), ", "))
	}
	n, err := ParseNetwork(network)
	return OpenDoor{guard.Door{Name: name, Networks: []netip.Prefix{n}}}, err
}

// String says what is open to whom.
func (d OpenDoor) String() string {
	return fmt.Sprintf("POST %s from %s", strings.Join(guard.Doors[d.door.Name], " and "), d.door.Networks[0])
}

// TrustHeader says what whoever a trusted proxy has signed on may do. Make one with
// [ParseTrustHeader].
type TrustHeader struct{ trust guard.Trust }

// ParseTrustHeader reads HEADER:VALUE=SCOPE+SCOPE: who has the value in the header, which
// may list several with commas, has the scopes. * is any value.
func ParseTrustHeader(text string) (TrustHeader, error) {
	header, rest, _ := strings.Cut(text, ":")
	value, scopes, found := strings.Cut(rest, "=")
	if header = strings.TrimSpace(header); header == "" || value == "" || !found || http.CanonicalHeaderKey(header) == "Authorization" {
		return TrustHeader{}, fmt.Errorf("%q: want HEADER:VALUE=SCOPE+SCOPE, such as X-Auth-Groups:ops=read+operate", text)
	}
	set, err := auth.ParseScope(strings.Split(scopes, "+"))
	return TrustHeader{guard.Trust{Header: header, Value: strings.TrimSpace(value), Scopes: set}}, err
}

// ParseNetwork reads a network such as 10.0.0.0/8, or an address.
func ParseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	n, err := netip.ParsePrefix(text)
	if err != nil {
		return n, fmt.Errorf("%q is no network: want one such as 10.0.0.0/8, or an address", text)
	}
	return n.Masked(), nil
}

// guarded is what stands before the routes.
func (cfg *HandlerConfig) guarded() guard.Config {
	g := guard.Config{Local: cfg.Local, Hosts: cfg.Hosts, Proxies: cfg.TrustedProxies, User: cfg.TrustUser}
	for _, d := range cfg.OpenDoors {
		g.Doors = append(g.Doors, d.door)
	}
	for _, t := range cfg.TrustHeaders {
		g.Trust = append(g.Trust, t.trust)
	}
	return g
}
