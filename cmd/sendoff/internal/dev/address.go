package dev

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
)

// appAddr chooses the address that the app listens on: its own one when the command
// tells, or the one that calls of an earlier run expect, if there are any.
func (s *session) appAddr(ctx context.Context) (string, error) {
	if s.c.Endpoint != "" {
		if listens(ctx, s.c.Endpoint) {
			return "", fmt.Errorf("--endpoint %s is in use by another program: stop that, or choose another port", s.c.Endpoint)
		}
		return s.c.Endpoint, nil
	}
	wanted := s.expected()
	if port := ownPort(s.c.Command); port != "" && !listens(ctx, "127.0.0.1:"+port) {
		s.lost = slices.DeleteFunc(slices.Clone(wanted), func(e string) bool { return e == "http://127.0.0.1:"+port })
		return "127.0.0.1:" + port, nil
	}
	for i, endpoint := range wanted {
		if u, err := url.Parse(endpoint); err == nil && newDoor(endpoint) != nil && u.Path == "" && u.Port() != "" && !listens(ctx, u.Host) {
			s.lost = slices.Delete(slices.Clone(wanted), i, i+1)
			return u.Host, nil
		}
	}
	s.lost = wanted
	return freeAddr()
}

// expected lists the endpoints of unfinished calls, most calls first.
func (s *session) expected() []string {
	count := map[string]int{}
	for c := range s.feed.Forest.All() {
		if !c.Final() && c.Endpoint != "" {
			count[c.Endpoint]++
		}
	}
	var list []string
	for endpoint := range count {
		list = append(list, endpoint)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	return list
}

// freeAddr is an address of this machine that nobody listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
