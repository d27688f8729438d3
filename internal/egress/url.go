package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// CheckURL says whether a task may name this URL, as far as that can be told
// without resolving a name: the scheme is http or https, the host is well
// formed, and a literal address is one that would be dialled. It is a help for
// whoever submits; the guard is in the dialer. Errors about an address wrap
// [ErrRefused] and name the flag that opens it. It is safe for concurrent use.
func (d *Dialer) CheckURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("scheme %q: want http or https", u.Scheme)
	}
	if u.Opaque != "" || u.Host == "" {
		return errors.New("the URL has no host")
	}
	port, err := portOf(u)
	if err != nil {
		return err
	}
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		return d.checkIPv6(host, port)
	}
	name := normalName(host)
	if addr, err := netip.ParseAddr(name); err == nil && addr.Is4() {
		return d.check(netip.AddrPortFrom(addr, port))
	}
	if endsInNumber(name) {
		// Such as 2130706433, 0x7f.1 and 0177.0.0.1: some resolvers read them as addresses.
		return fmt.Errorf("host %q: write an IPv4 address as four decimal numbers", host)
	}
	return checkName(name)
}

func portOf(u *url.URL) (uint16, error) {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return 0, errors.New("the URL has an empty port")
		}
		if u.Scheme == "https" {
			return 443, nil
		}
		return 80, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %q: want 1 to 65535", text)
	}
	return uint16(n), nil
}

func (d *Dialer) checkIPv6(host string, port uint16) error {
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is6() {
		return fmt.Errorf("host [%s] is no IPv6 address", host)
	}
	if addr.Zone() != "" {
		return fmt.Errorf("host [%s]: addresses with a zone are not called", host)
	}
	return d.check(netip.AddrPortFrom(addr, port))
}

// endsInNumber tells whether the last label is a number in any notation, which
// makes the host an address and no name (WHATWG URL, "ends in a number").
func endsInNumber(name string) bool {
	last := strings.TrimRight(name, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	if last == "" {
		return false
	}
	digits := "0123456789"
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		last, digits = hex, "0123456789abcdef"
	}
	return strings.Trim(last, digits) == ""
}

// checkName accepts what the DNS can hold in ASCII; underscores are common
// inside container networks.
func checkName(name string) error {
	if name == "" || len(name) > 253 {
		return fmt.Errorf("host %q: want 1 to 253 characters", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("host %q: want labels of 1 to 63 characters", name)
		}
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		case c > 127:
			return fmt.Errorf("host %q: write it in its ASCII form (xn--...)", name)
		default:
			return fmt.Errorf("host %q: %q cannot be a part of it", name, c)
		}
	}
	return nil
}
