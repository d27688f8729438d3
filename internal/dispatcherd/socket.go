package dispatcherd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// limitSocket is how long a line to a client may be, in bytes; maxLine how long one of a
// client may be.
const (
	limitSocket = 1024
	maxLine     = 1 << 20
)

// Socket is the broker on a unix socket: messages are lines, and answers go out on the
// connection that asked.
type Socket struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	clients int
}

// NewSocket returns a broker that listens at path when it is run.
func NewSocket(path string, log *slog.Logger) *Socket { return &Socket{path: path, log: log} }

// Name implements Broker.
func (s *Socket) Name() string { return "socket" }

// Health implements Broker.
func (s *Socket) Health() Health { return Health{} }

// Run implements Broker. A socket file that nobody listens at any more is replaced.
func (s *Socket) Run(ctx context.Context, receive func(Incoming)) error {
	if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", s.path); err == nil {
		conn.Close()
		return fmt.Errorf("socket %s: another service listens there", s.path)
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("socket: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", s.path)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(s.path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("socket: %w", err)
	}
	var clients sync.WaitGroup
	defer clients.Wait()
	clients.Go(func() { <-ctx.Done(); l.Close() })
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.log.Error("socket: a connection failed", "err", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		s.mu.Lock()
		number := s.clients
		s.clients++
		s.mu.Unlock()
		clients.Go(func() { s.serve(ctx, conn, strconv.Itoa(number), receive) })
	}
}

// serve takes the lines of a client. One that does not take its answers is let go.
func (s *Socket) serve(ctx context.Context, conn net.Conn, number string, receive func(Incoming)) {
	closed := context.AfterFunc(ctx, func() { conn.Close() })
	defer closed()
	defer conn.Close()
	reply := func(_ string, text []byte) {
		_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
		for _, line := range Split(text, limitSocket-1) {
			if _, err := conn.Write(append(line, '\n')); err != nil {
				conn.Close()
				return
			}
		}
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 4<<10), maxLine)
	for lines.Scan() {
		if len(lines.Bytes()) > 0 {
			receive(Incoming{Channel: number, Queue: socketChannel, Payload: append([]byte(nil), lines.Bytes()...), Reply: reply})
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		s.log.Error("socket: a line is too long, its connection is closed", "bytes", maxLine)
	}
}
