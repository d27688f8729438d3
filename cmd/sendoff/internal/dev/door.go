package dev

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

// door watches whether the app listens. It is asked for only while there is
// reason to think that it does not: an app sees no connections that carry no
// request as long as all goes well.
type door struct {
	addr string
	up   chan struct{} // gets a value when the app listens again

	mu       sync.Mutex
	watching bool
}

// newDoor returns a door of a URL, or nil for another machine.
func newDoor(endpoint string) *door {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil
	}
	if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil
	}
	port := u.Port()
	switch {
	case port == "" && u.Scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	return &door{addr: net.JoinHostPort(u.Hostname(), port), up: make(chan struct{}, 1)}
}

// listens tells whether somebody listens at an address.
func listens(ctx context.Context, addr string) bool {
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(limited, "tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// watch looks until the app listens, and says so once.
func (d *door) watch(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.watching {
		return
	}
	d.watching = true
	go func() {
		for ctx.Err() == nil && !listens(ctx, d.addr) {
			pause(ctx, 20*time.Millisecond)
		}
		d.mu.Lock()
		d.watching = false
		d.mu.Unlock()
		if ctx.Err() == nil {
			select {
			case d.up <- struct{}{}:
			default:
			}
		}
	}()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// How long calls are held back for an app that does not listen yet.
const (
	holdSubmitted = 500 * time.Millisecond // after it has submitted something
	holdStart     = 10 * time.Second
)

// gate holds the work back until the app listens, so that the first attempt of
// its first call is not spent on a closed port. An app that never listens, or
// submits before it does, is not kept waiting for long.
type gate struct {
	once sync.Once
	open chan struct{}
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

func (g *gate) releaseAfter(d time.Duration) { time.AfterFunc(d, g.release) }

// watch sees what is submitted.
func (g *gate) watch(next http.Handler) http.Handler {
	var first sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			first.Do(func() { g.releaseAfter(holdSubmitted) })
		}
		next.ServeHTTP(w, r)
	})
}
