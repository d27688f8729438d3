package exec_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/internal/exec/local"
	"github.com/sendoff-dev/sendoff/internal/exec/push"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Each place fails in its own way, and both executors say how.
func TestAnAttemptWithoutAnAnswerSaysWhy(t *testing.T) {
	answering := httptest.NewServer(http.NotFoundHandler())
	defer answering.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, tt := range []struct {
		name, url string
		want      task.Cause
		word      string
	}{
		{"an answer", answering.URL, task.NoCause, ""},
		{"nobody listens", gone.URL, task.CauseRefused, "refused"},
		{"closed without a byte", taker(t, func(c *net.TCPConn) { readSome(c); c.Close() }), task.CauseReset, "reset"},
		{"reset", taker(t, func(c *net.TCPConn) { readSome(c); _ = c.SetLinger(0); c.Close() }), task.CauseReset, "reset"},
		{"closed within the answer", taker(t, func(c *net.TCPConn) {
			readSome(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
			c.Close()
		}), task.CauseReset, "reset"},
		{"no answer", taker(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }), task.CauseTimeout, "timeout"},
		{"an unknown host", "http://nowhere.example", task.CauseDNS, "dns"},
		{"a certificate of nobody", untrusted(t), task.CauseTLS, "tls"},
		{"no TLS there", "https" + answering.URL[len("http"):], task.CauseTLS, "tls"},
		{"an address that may not be called", "http://10.0.0.1", task.NoCause, ""},
	} {
		for kind, x := range executors(t) {
			t.Run(kind+": "+tt.name, func(t *testing.T) {
				now := time.Now().UnixMicro()
				spec := &task.Spec{URL: tt.url, Function: "f", Endpoint: tt.url, Timeout: 30 * time.Second}
				if tt.want == task.CauseTimeout {
					spec.Timeout = 300 * time.Millisecond
				}
				o := x.Execute(t.Context(), &store.Claimed{ID: task.FloorID(time.Now()), Token: 1, MaxAttempts: 25, CreatedAt: now}, spec)
				require.Equal(t, tt.want, o.Cause, o.Error)
				require.Equal(t, tt.word, o.Cause.String())
				require.NotEqual(t, task.Success, o.Class)
			})
		}
	}
}

// What is put off because an endpoint is left alone says why that is.
func TestAnEndpointThatIsLeftAloneSaysWhy(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	x := executors(t)["function"]
	c := &store.Claimed{ID: task.FloorID(time.Now()), Token: 1, MaxAttempts: 25, CreatedAt: time.Now().UnixMicro()}
	spec := &task.Spec{Function: "f", Endpoint: gone.URL}
	require.Equal(t, task.Failure, x.Execute(t.Context(), c, spec).Class)
	o := x.Execute(t.Context(), c, spec)
	require.Equal(t, task.Throttle, o.Class, "no second try was made")
	require.Equal(t, task.CauseRefused, o.Cause)
}

// What counts as a start is what leaves us, and not what cannot be sent or is put off.
func TestAnAttemptSaysWhenItBegins(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	all := executors(t)
	handlers := local.New()
	handlers.Handle("h", func(context.Context, *local.Call) error { return nil })
	all["local"] = handlers
	begins := func(kind string, spec *task.Spec) (n int, o task.Outcome) {
		ctx := exec.WithBegin(t.Context(), func() { n++ })
		c := &store.Claimed{ID: task.FloorID(time.Now()), Token: 1, MaxAttempts: 25, CreatedAt: time.Now().UnixMicro()}
		o = all[kind].Execute(ctx, c, spec)
		return n, o
	}
	for kind, spec := range map[string]*task.Spec{
		"push": {URL: gone.URL}, "function": {Function: "f", Endpoint: gone.URL}, "local": {Handler: "h"},
	} {
		n, _ := begins(kind, spec)
		require.Equal(t, 1, n, kind)
	}
	for kind, spec := range map[string]*task.Spec{
		"push": {URL: "http://10.0.0.1"}, "function": {Function: "f", Endpoint: "http://10.0.0.1"}, "local": {Handler: "nobody's"},
	} {
		n, o := begins(kind, spec)
		require.Zero(t, n, "%s: %s", kind, o.Error)
	}
	n, o := begins("function", &task.Spec{Function: "f", Endpoint: gone.URL})
	require.Equal(t, []any{0, task.PutOff}, []any{n, o.Why})
}

func executors(t *testing.T) map[string]exec.Executor {
	nowhere := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("there is no server of names")
	}}
	d, err := egress.New(egress.Config{AllowLoopback: true, Resolver: nowhere})
	require.NoError(t, err)
	p := push.New(d, push.Config{})
	t.Cleanup(p.Close)
	f := function.New(function.Config{Dialer: d, Resume: func(context.Context, task.ID, int64, int, int) (store.Resumption, error) {
		return store.Resumption{}, nil
	}})
	t.Cleanup(f.Close)
	return map[string]exec.Executor{"push": p, "function": f}
}

// taker is the URL of a place that treats connections as it likes.
func taker(t *testing.T, treat func(*net.TCPConn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go treat(c.(*net.TCPConn))
		}
	}()
	return "http://" + l.Addr().String()
}

func readSome(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }

func untrusted(t *testing.T) string {
	s := httptest.NewUnstartedServer(nil)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}
