package dispatcherd

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestScrapesAreCounted as dispatcherd counts them, whatever comes.
func TestScrapesAreCounted(t *testing.T) {
	const get = "GET /metrics HTTP/1.1\r\n"
	for name, tt := range map[string]struct {
		request string
		leaves  bool // the client closes its side
		status  string
		counter string
	}{
		"a scrape":               {request: get + "Host: x\r\n\r\n", status: "200 OK", counter: "metrics_requests_served"},
		"a scrape of the root":   {request: "GET / HTTP/1.0\n\n", status: "200 OK", counter: "metrics_requests_served"},
		"another path":           {request: "GET /other HTTP/1.1\r\n\r\n", status: "404 Not Found", counter: "not_found_responses"},
		"another method":         {request: "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", status: "404 Not Found", counter: "not_found_responses"},
		"no request":             {request: "nonsense\r\n\r\n", status: "400 Bad Request", counter: "bad_requests"},
		"an empty line":          {request: "\r\n", status: "400 Bad Request", counter: "bad_requests"},
		"no UTF-8":               {request: "GET /\xff HTTP/1.1\r\n\r\n", status: "400 Bad Request", counter: "bad_requests"},
		"nothing for long":       {status: "408 Request Timeout", counter: "request_timeouts"},
		"half a line for long":   {request: "GET /met", status: "408 Request Timeout", counter: "request_timeouts"},
		"half a header for long": {request: get + "Host:", status: "408 Request Timeout", counter: "request_timeouts"},
		"nothing":                {leaves: true, counter: "client_disconnects"},
		"headers without an end": {request: get + "Host: x\r\n", leaves: true, counter: "client_disconnects"},
		"headers without bounds": {request: get + strings.Repeat("A: b\r\n", maxRequest), leaves: true, counter: "client_disconnects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			w := &web{patience: time.Minute, metrics: func() []byte { return []byte("metric 1\n") }, log: slog.New(slog.DiscardHandler)}
			if tt.counter == "request_timeouts" {
				w.patience = 50 * time.Millisecond
			}
			w.begin(l)
			defer w.close()
			conn, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			_, _ = io.WriteString(conn, tt.request) // the server may have had enough before the end
			if tt.leaves {
				_ = conn.(*net.TCPConn).CloseWrite() // nor is it there, perhaps
			}
			answer, _ := io.ReadAll(conn)
			if tt.status != "" {
				require.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 "+tt.status+"\r\n"), "%q", answer)
			} else {
				require.Empty(t, answer)
			}
			conn.Close()
			w.close()
			for _, m := range w.status()[3].value.(object) {
				switch m.name {
				case "is_running":
				case "connections_total", tt.counter:
					require.EqualValues(t, 1, m.value, m.name)
				default:
					require.EqualValues(t, 0, m.value, m.name)
				}
			}
		})
	}
}
