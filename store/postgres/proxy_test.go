package postgres_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cut says where the proxy breaks a connection.
type cut int

const (
	beforeCommit cut = iota // the end of the message that commits never arrives
	afterCommit             // it arrives, but the answer to it does not
)

// proxy stands between a store and its database and breaks the connection that
// sends a marked message.
type proxy struct {
	url    string
	target string

	mu     sync.Mutex
	marker []byte // nil = let everything through
	where  cut
	cuts   int
	silent time.Time // what was connected before hears nothing any more
	lost   int       // messages since
	conns  sync.Map  // of clients
}

// silence lets all connections there are hang, as those of a machine that is
// gone do. New ones work.
func (p *proxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = time.Now()
}

func (p *proxy) hangs(since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if since.Before(p.silent) {
		p.lost++
		return true
	}
	return false
}

// hangUp closes all connections.
func (p *proxy) hangUp() {
	p.conns.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
}

// swallowed tells whether something was sent into the silence.
func (p *proxy) swallowed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost > 0
}

func newProxy(t *testing.T, dsn string) *proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{target: u.Host}
	u.Host = l.Addr().String()
	p.url = u.String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.conns.Store(client, true)
			wg.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.hangUp()
		wg.Wait()
	})
	return p
}

// arm makes the proxy break the next connection that sends marker, once.
func (p *proxy) arm(marker string, where cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker, p.where = []byte(marker), where
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// strike tells whether to break the connection here.
func (p *proxy) strike(chunk []byte) (bool, cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.marker == nil || !bytes.Contains(chunk, p.marker) {
		return false, 0
	}
	p.marker = nil
	p.cuts++
	return true, p.where
}

// deafened is a client that hears nothing any more once there is silence.
type deafened struct {
	net.Conn
	p     *proxy
	since time.Time
}

func (d deafened) Write(b []byte) (int, error) {
	if d.p.hangs(d.since) {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

func (p *proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	since := time.Now()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.Copy(deafened{client, p, since}, server)
		_, _ = io.Copy(io.Discard, server) // the server says what it did, and nobody hears it
		_ = client.Close()
	})
	defer wg.Wait()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			_ = server.Close()
			return
		}
		hit, where := p.strike(buf[:n])
		switch {
		case p.hangs(since):
			continue
		case hit && where == beforeCommit:
			_, _ = server.Write(buf[:n-5]) // all but Sync
			_ = client.Close()
			_ = server.Close()
			return
		case hit:
			_ = client.Close()
			_, _ = server.Write(buf[:n])
			_ = server.(*net.TCPConn).CloseWrite()
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}
