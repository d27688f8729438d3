package dispatcherd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const (
	maxRequest = 64 << 10        // bytes of a request line with its headers
	scrapeWait = 5 * time.Second // for a request, as dispatcherd does
)

// web serves the metrics over HTTP/1.1, one request a connection. It is no server of package
// http: requests that are none, and those that do not come, never reach a handler of that,
// and the command metrics counts them.
type web struct {
	cfg      MetricsConfig
	patience time.Duration // with a request
	metrics  func() []byte
	log      *slog.Logger
	stop     context.CancelFunc
	loops    sync.WaitGroup

	connections, served, bad, notFound, gone, late atomic.Int64
}

// serveMetrics begins to serve. A port that is taken is an error: who asked for metrics
// would miss them.
func (s *Service) serveMetrics(cfg MetricsConfig) (*web, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	w := &web{cfg: cfg, patience: scrapeWait, metrics: s.exposition, log: s.log}
	w.begin(l)
	return w, nil
}

// begin serves those who come to l until close is called.
func (w *web) begin(l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	context.AfterFunc(ctx, func() { l.Close() })
	w.loops.Go(func() {
		for {
			conn, err := l.Accept()
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				w.log.Warn("metrics: a connection failed", "err", err)
				time.Sleep(100 * time.Millisecond)
				continue
			}
			w.connections.Add(1)
			w.loops.Go(func() { w.serve(ctx, conn) })
		}
	})
}

// close ends all connections, and waits until they have ended.
func (w *web) close() {
	w.stop()
	w.loops.Wait()
}

func (w *web) status() object {
	return object{
		{"host", w.cfg.Host},
		{"port", w.cfg.Port},
		{"ready", true},
		{"http_server", object{
			{"connections_total", w.connections.Load()},
			{"metrics_requests_served", w.served.Load()},
			{"bad_requests", w.bad.Load()},
			{"internal_errors", 0}, // nothing that is served can fail
			{"not_found_responses", w.notFound.Load()},
			{"client_disconnects", w.gone.Load()},
			{"request_timeouts", w.late.Load()},
			{"is_running", true},
		}},
	}
}

// serve answers the request of a connection.
func (w *web) serve(ctx context.Context, conn net.Conn) {
	closed := context.AfterFunc(ctx, func() { conn.Close() })
	defer closed()
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(w.patience))
	in := bufio.NewReader(io.LimitReader(conn, maxRequest))
	switch line, err := request(in); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.late.Add(1)
		w.answer(conn, "408 Request Timeout", plainText, []byte("Request Timeout"))
	case errors.Is(err, errNoRequest):
		w.bad.Add(1)
		w.answer(conn, "400 Bad Request", plainText, []byte("Bad Request"))
	case err != nil:
		w.gone.Add(1)
	case line[0] != "GET" || line[1] != "/metrics" && line[1] != "/":
		w.notFound.Add(1)
		w.answer(conn, "404 Not Found", plainText, []byte("Not Found"))
	default:
		w.served.Add(1)
		w.answer(conn, "200 OK", "text/plain; version=0.0.4; charset=utf-8", w.metrics())
	}
}

const plainText = "text/plain; charset=utf-8"

// answer answers and closes the connection. What is left of a request is read before, or the
// answer would be lost with it.
func (w *web) answer(conn net.Conn, status, kind string, body []byte) {
	_ = conn.SetDeadline(time.Now().Add(w.patience))
	head := fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", status, kind, len(body))
	if _, err := conn.Write(append([]byte(head), body...)); err != nil {
		w.gone.Add(1)
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, conn, maxRequest)
	}
}

var errNoRequest = errors.New("is no request of HTTP/1")

// request reads a request line, and the headers, which say nothing that matters. Errors are
// errNoRequest, and those of reading: io.EOF when the client has left.
func request(in *bufio.Reader) (line []string, err error) {
	text, err := in.ReadString('\n')
	if err != nil && (text == "" || !errors.Is(err, io.EOF)) {
		return nil, err
	}
	if line = strings.Fields(text); len(line) < 3 || !utf8.ValidString(text) {
		return nil, errNoRequest
	}
	for strings.TrimRight(text, "\r\n") != "" {
		if text, err = in.ReadString('\n'); err != nil {
			return nil, err
		}
	}
	return line, nil
}
