package egress

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// allowList is what the operator opened. A port of 0 means all ports.
type allowList struct {
	networks []allowedNetwork
	names    []allowedName
}

type allowedNetwork struct {
	prefix netip.Prefix
	port   uint16
}

type allowedName struct {
	name string
	port uint16
}

func parseAllow(entries []string) (allowList, error) {
	var list allowList
	for _, entry := range entries {
		if err := list.add(strings.TrimSpace(entry)); err != nil {
			return allowList{}, fmt.Errorf("--allow-egress %q: %w", entry, err)
		}
	}
	return list, nil
}

func (l *allowList) add(entry string) error {
	host, port, err := cutPort(entry)
	if err != nil {
		return err
	}
	if strings.Contains(host, "/") {
		prefix, err := netip.ParsePrefix(host)
		if err != nil {
			return fmt.Errorf("want a CIDR such as 10.0.0.0/8: %w", err)
		}
		if prefix.Addr().Is4In6() {
			return fmt.Errorf("write it as the IPv4 network that it stands for")
		}
		l.networks = append(l.networks, allowedNetwork{prefix.Masked(), port})
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return fmt.Errorf("zones are not supported")
		}
		addr = addr.Unmap()
		l.networks = append(l.networks, allowedNetwork{netip.PrefixFrom(addr, addr.BitLen()), port})
		return nil
	}
	name := normalName(host)
	if err := checkName(name); err != nil {
		return err
	}
	l.names = append(l.names, allowedName{name, port})
	return nil
}

// cutPort splits "host", "host:port", "[v6]:port", "cidr:port" and "[v6cidr]:port".
func cutPort(entry string) (host string, port uint16, err error) {
	rest := ""
	if inner, ok := strings.CutPrefix(entry, "["); ok {
		if host, rest, ok = strings.Cut(inner, "]"); !ok {
			return "", 0, fmt.Errorf("missing ]")
		}
		if rest == "" {
			return host, 0, nil
		}
		if rest, ok = strings.CutPrefix(rest, ":"); !ok {
			return "", 0, fmt.Errorf("want :port after ]")
		}
	} else if strings.Count(entry, ":") == 1 {
		host, rest, _ = strings.Cut(entry, ":")
	} else {
		return entry, 0, nil
	}
	n, err := strconv.ParseUint(rest, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("port %q: want 1 to 65535", rest)
	}
	return host, uint16(n), nil
}

func (l *allowList) hasAddr(a netip.AddrPort, singly bool) bool {
	for _, n := range l.networks {
		if singly && !n.prefix.IsSingleIP() {
			continue
		}
		if n.prefix.Contains(a.Addr()) && (n.port == 0 || n.port == a.Port()) {
			return true
		}
	}
	return false
}

func (l *allowList) hasName(name string, port uint16) bool {
	for _, n := range l.names {
		if n.name == name && (n.port == 0 || n.port == port) {
			return true
		}
	}
	return false
}

// normalName is how names are compared: lower case, no full stop at the end.
func normalName(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
