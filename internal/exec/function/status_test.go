package function_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Section 2, the table of statuses.
func TestStatuses(t *testing.T) {
	want := map[sdkv1.Status]task.Class{
		sdkv1.Status_STATUS_UNSPECIFIED: task.Success, sdkv1.Status_STATUS_OK: task.Success,
		sdkv1.Status_STATUS_TIMEOUT: task.Failure, sdkv1.Status_STATUS_THROTTLED: task.Throttle,
		sdkv1.Status_STATUS_INVALID_ARGUMENT: task.Reject, sdkv1.Status_STATUS_INVALID_RESPONSE: task.Reject,
		sdkv1.Status_STATUS_TEMPORARY_ERROR: task.Failure, sdkv1.Status_STATUS_PERMANENT_ERROR: task.Reject,
		sdkv1.Status_STATUS_INCOMPATIBLE_STATE: task.Failure, sdkv1.Status_STATUS_DNS_ERROR: task.Failure,
		sdkv1.Status_STATUS_TCP_ERROR: task.Failure, sdkv1.Status_STATUS_TLS_ERROR: task.Failure, sdkv1.Status_STATUS_HTTP_ERROR: task.Failure,
		sdkv1.Status_STATUS_UNAUTHENTICATED: task.Reject, sdkv1.Status_STATUS_PERMISSION_DENIED: task.Reject, sdkv1.Status_STATUS_NOT_FOUND: task.Reject,
		99: task.Reject,
	}
	require.Len(t, want, len(sdkv1.Status_name)+1)
	for status, class := range want {
		t.Run(status.String(), func(t *testing.T) {
			// A result that is there is kept, and decides nothing.
			a := serve(t, exit(status, text("out"), nil), exit(status, nil, &sdkv1.Error{Type: "E", Message: "m", Value: []byte{1}}))
			x := newExecutor(t, function.Config{})
			o := x.Execute(t.Context(), first(), greet(a.URL))
			require.Equal(t, class, o.Class, o.Error)
			require.EqualValues(t, 200, o.Code)
			require.Equal(t, protocol.StatusName(status), header(o, "Status"))
			r := resultOf(t, o)
			requireEqual(t, text("out"), r.GetOutput())
			if class != task.Success {
				require.Equal(t, protocol.StatusName(status), r.GetError().GetType())
				require.NotEmpty(t, o.Error)
			}
			o = x.Execute(t.Context(), first(), greet(a.URL))
			require.Equal(t, class, o.Class)
			requireEqual(t, &sdkv1.Error{Type: "E", Message: "m", Value: []byte{1}}, resultOf(t, o).GetError())
			if class != task.Success {
				require.True(t, strings.HasPrefix(o.Error, "E: m"), o.Error)
			}
			require.Equal(t, status == sdkv1.Status_STATUS_INCOMPATIBLE_STATE, o.Progress != nil && o.Progress.Restart)
		})
	}
}

func TestARetryableStatusWithoutADirective(t *testing.T) {
	a := serve(t, &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_TEMPORARY_ERROR})
	o := newExecutor(t, function.Config{}).Execute(t.Context(), first(), greet(a.URL))
	require.Equal(t, task.Failure, o.Class)
	require.Equal(t, "TEMPORARY_ERROR: the function ended with status TEMPORARY_ERROR", o.Error)
}

// Section 2, the failures of endpoints.
func TestHTTPStatuses(t *testing.T) {
	unsure := "Connect errors are JSON"
	for _, tt := range []struct {
		status int
		body   string // JSON of a Connect error; "" = plain text
		class  task.Class
		name   string
		strict task.Class
	}{
		{201, "", task.Failure, "INVALID_RESPONSE", 0},
		{204, "", task.Failure, "INVALID_RESPONSE", 0},
		{301, "", task.Reject, "PERMANENT_ERROR", 0},
		{302, "", task.Reject, "PERMANENT_ERROR", 0},
		{307, "", task.Reject, "PERMANENT_ERROR", 0},
		{308, "", task.Reject, "PERMANENT_ERROR", 0},
		{400, `{"code":"invalid_argument","message":"no function"}`, task.Reject, "INVALID_ARGUMENT", 0},
		{400, "", task.Reject, "INVALID_ARGUMENT", 0},
		{401, "", task.Throttle, "UNAUTHENTICATED", task.Reject},
		{401, `{"code":"unauthenticated","message":"bad key id"}`, task.Throttle, "UNAUTHENTICATED", task.Reject},
		{403, "", task.Throttle, "PERMISSION_DENIED", task.Reject},
		{403, `{"code":"permission_denied","message":"bad signature"}`, task.Throttle, "PERMISSION_DENIED", task.Reject},
		{404, "", task.Throttle, "NOT_FOUND", task.Reject},
		{404, `{"code":"not_found","message":"function 'greet' not found"}`, task.Reject, "NOT_FOUND", task.Reject},
		{404, `{"code":"unimplemented","message":"?"}`, task.Throttle, "NOT_FOUND", task.Reject},
		{405, "", task.Reject, "PERMANENT_ERROR", 0},
		{408, "", task.Failure, "TIMEOUT", 0},
		{413, "", task.Reject, "PERMANENT_ERROR", 0},
		{415, "", task.Reject, "PERMANENT_ERROR", 0},
		{429, "", task.Throttle, "THROTTLED", 0},
		{499, "", task.Reject, "PERMANENT_ERROR", 0},
		{500, "", task.Failure, "TEMPORARY_ERROR", 0},
		{500, `{"code":"internal","message":"crash"}`, task.Failure, "TEMPORARY_ERROR", 0},
		{501, "", task.Reject, "PERMANENT_ERROR", 0},
		{502, "", task.Failure, "TEMPORARY_ERROR", 0},
		{503, "", task.Failure, "TEMPORARY_ERROR", 0},
		{504, "", task.Failure, "TEMPORARY_ERROR", 0},
		{599, "", task.Failure, "TEMPORARY_ERROR", 0},
	} {
		t.Run(fmt.Sprintf("%d %s", tt.status, tt.body), func(t *testing.T) {
			contentType, body := "application/json", tt.body
			if body == "" {
				contentType, body = "text/html", unsure
			}
			a := serveHTTP(t, tt.status, contentType, body, "Location", "/elsewhere", "Retry-After", "7")
			o := newExecutor(t, function.Config{}).Execute(t.Context(), first(), greet(a.URL))
			require.Equal(t, tt.class, o.Class, o.Error)
			require.EqualValues(t, tt.status == 201 || tt.status == 204, o.Code == 200)
			require.Contains(t, o.Error, fmt.Sprint(tt.status))
			require.NotContains(t, o.Error, unsure)
			require.Equal(t, tt.name, header(o, "Status"))
			require.Len(t, a.requests, 1) // no redirect was followed, nothing was sent twice
			shutOut := tt.class == task.Throttle && tt.status != 429
			require.Equal(t, shutOut, o.Why == task.Refused, "who does not let us in has not asked for time")
			if tt.class == task.Reject {
				require.Equal(t, tt.name, resultOf(t, o).GetError().GetType())
			}
			if tt.status == 429 || tt.status == 503 {
				require.Equal(t, 7*time.Second, o.RetryAfter)
			}
			if tt.strict != 0 {
				o = newExecutor(t, function.Config{Strict: true}).Execute(t.Context(), first(), greet(a.URL))
				require.Equal(t, tt.strict, o.Class)
				require.Equal(t, tt.name, resultOf(t, o).GetError().GetType())
			}
		})
	}
}

// A key that was rotated costs time but no calls: the endpoint is left alone, and
// one run after a while finds out that it lets us in again.
func TestAnEndpointThatShutsUsOut(t *testing.T) {
	now := time.Now()
	open := false
	a := serveFunc(t, func(w http.ResponseWriter, _ int) {
		if !open {
			w.WriteHeader(403)
			return
		}
		w.Header().Set("Content-Type", "application/proto")
		_, _ = w.Write(encode(done))
	})
	x := newExecutor(t, function.Config{Now: func() time.Time { return now }})
	run := func() task.Outcome { return x.Execute(t.Context(), first(), greet(a.URL)) }
	pause := time.Second
	for calls := 1; calls <= 8; calls++ {
		o := run()
		require.Equal(t, task.Throttle, o.Class)
		require.Len(t, a.requests, calls)
		o = run() // not even asked
		require.Equal(t, task.Throttle, o.Class)
		require.Contains(t, o.Error, "left alone for a while: 403 Forbidden")
		require.GreaterOrEqual(t, o.RetryAfter, pause)
		require.LessOrEqual(t, o.RetryAfter, pause+pause/4+time.Second)
		require.Len(t, a.requests, calls)
		require.Equal(t, now.Add(pause), x.Stats()[0].Paused)
		now = now.Add(pause)
		pause = min(2*pause, time.Minute)
	}
	open = true
	require.Equal(t, task.Success, run().Class)
	require.Zero(t, x.Stats()[0].Paused)
	open = false
	run()
	require.Equal(t, now.Add(time.Second), x.Stats()[0].Paused)
}

func TestNoConnection(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	hangup := listen(t, func(c net.Conn) { c.Close() })
	secure := httptest.NewUnstartedServer(nil)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, tt := range []struct{ endpoint, status, text string }{
		{gone.URL, "TCP_ERROR", "connection refused"},
		{hangup, "TCP_ERROR", "the connection was closed before the end of the answer"},
		{secure.URL, "TLS_ERROR", "certificate"},
		{strings.Replace(hangup, "http:", "https:", 1), "T", ""},
		{"http://no-such-host.invalid", "DNS_ERROR", "host"},
		{"http://10.1.2.3", "TCP_ERROR", "--allow-egress 10.1.2.3"},
	} {
		o := newExecutor(t, function.Config{}).Execute(t.Context(), first(), greet(tt.endpoint))
		require.Equal(t, task.Failure, o.Class, o.Error)
		require.Zero(t, o.Code)
		require.Contains(t, header(o, "Status"), tt.status, o.Error)
		require.Contains(t, o.Error, tt.text)
		require.Contains(t, resultOf(t, o).GetError().GetType(), tt.status)
	}
	for _, endpoint := range []string{"", "nonsense", "ftp://x", "arn:aws:lambda:us-east-1:1:function:f", "http://"} {
		o := newExecutor(t, function.Config{}).Execute(t.Context(), first(), greet(endpoint))
		require.Equal(t, task.Reject, o.Class, o.Error)
		require.Equal(t, "INVALID_ARGUMENT", resultOf(t, o).GetError().GetType())
	}
}

// A page of a proxy may go away; a thing that never speaks the protocol does not.
func TestAnswersThatMakeNoSense(t *testing.T) {
	for name, a := range map[string]*app{
		"a page":       serveHTTP(t, 200, "text/html", "<h1>Welcome</h1>"),
		"no type":      serveHTTP(t, 200, "", ""),
		"json":         serveHTTP(t, 200, "application/json", "{}"),
		"not protobuf": serveHTTP(t, 200, "application/proto", "\xff\xff"),
		"nothing":      serveHTTP(t, 200, "application/proto", ""),
		"not gzip":     serveHTTP(t, 200, "application/proto", "x", "Content-Encoding", "gzip"),
		"brotli":       serveHTTP(t, 200, "application/proto", "x", "Content-Encoding", "br"),
		"OK alone":     serve(t, &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK}),
	} {
		t.Run(name, func(t *testing.T) {
			x := newExecutor(t, function.Config{})
			for range 4 {
				o := x.Execute(t.Context(), first(), greet(a.URL))
				require.Equal(t, task.Failure, o.Class, o.Error)
				require.Equal(t, "INVALID_RESPONSE", header(o, "Status"))
			}
			o := x.Execute(t.Context(), first(), greet(a.URL))
			require.Equal(t, task.Reject, o.Class, o.Error)
			require.Equal(t, "INVALID_RESPONSE", resultOf(t, o).GetError().GetType())
		})
	}
}

func TestAnAnswerThatIsPacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(encode(exit(sdkv1.Status_STATUS_OK, text("x"), nil)))
	z.Close()
	a := serveHTTP(t, 200, "application/proto", packed.String(), "Content-Encoding", "gzip")
	o := newExecutor(t, function.Config{}).Execute(t.Context(), first(), greet(a.URL))
	requireEqual(t, text("x"), resultOf(t, o).GetOutput())
}

// S23: what a hostile endpoint sends costs a bounded time and amount of memory.
func TestAHostileEndpointCostsLittle(t *testing.T) {
	forever := func(head, rest string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, head)
			for chunk := strings.Repeat(rest, max(1, 4096/len(rest))); err == nil; {
				_, err = io.WriteString(c, chunk)
			}
		}
	}
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/proto\r\n"
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 8<<20))
	z.Close()
	for _, tt := range []struct {
		name    string
		answer  func(net.Conn)
		text    string
		waiting bool
	}{
		{"endless headers", forever(ok, "X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"), "header", false},
		{"an endless body", forever(ok+"\r\n", "x"), "longer than 1000000 bytes", false},
		{"an endless chunked body", forever(ok+"Transfer-Encoding: chunked\r\n\r\n", "400\r\n"+strings.Repeat("x", 1024)+"\r\n"), "longer than", false},
		{"ten gigabytes", forever(ok+"Content-Length: 10000000000\r\n\r\n", "x"), "the answer has 10000000000 bytes", false},
		{"a gzip bomb", func(c net.Conn) {
			fmt.Fprintf(c, "%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", ok, bomb.Len(), bomb.String())
		}, "longer than", false},
		{"a body that breaks off", func(c net.Conn) { io.WriteString(c, ok+"Content-Length: 10\r\n\r\nx"); c.Close() }, "closed before the end", false},
		{"an endless complaint", forever("HTTP/1.1 500 X\r\n\r\n", "x"), "500", false},
		{"switching protocols", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		}, "101", false},
		{"no HTTP", forever("SSH-2.0\r\n", "x"), "malformed", false},
		{"silence", func(net.Conn) {}, "no answer within 300ms", true},
		{"a byte at a time", func(c net.Conn) {
			_, err := io.WriteString(c, ok+"Content-Length: 1000\r\n\r\n")
			for ; err == nil; _, err = io.WriteString(c, "x") {
				time.Sleep(5 * time.Millisecond) // its nature: slow
			}
		}, "no answer within 300ms", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			endpoint, spec := listen(t, tt.answer), &task.Spec{Kind: task.Function, Function: "f", Timeout: 10 * time.Second}
			spec.Endpoint = endpoint
			if tt.waiting {
				spec.Timeout = 300 * time.Millisecond
			}
			x := newExecutor(t, function.Config{MaxAnswer: 1_000_000})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			o := x.Execute(t.Context(), first(), spec)
			runtime.ReadMemStats(&after)
			require.Contains(t, []task.Class{task.Failure, task.Reject}, o.Class, o.Error)
			require.Contains(t, o.Error, tt.text)
			require.Less(t, len(o.Error), 700)
			require.Less(t, time.Since(start), 5*time.Second)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(12<<20))
		})
	}
}

func TestExpiry(t *testing.T) {
	a := serve(t, done)
	x := newExecutor(t, function.Config{})
	c := first()
	c.ExpiresAt = time.Now().Add(-time.Second).UnixMicro()
	o := x.Execute(t.Context(), c, greet(a.URL))
	require.Equal(t, task.Expire, o.Class)
	require.Empty(t, a.requests)
	require.Equal(t, protocol.TypeTimeout, resultOf(t, o).GetError().GetType())
	require.Contains(t, resultOf(t, o).GetError().GetMessage(), "function greet expired: it did not end within")

	c.ExpiresAt = time.Now().Add(200 * time.Millisecond).UnixMicro()
	o = x.Execute(t.Context(), c, greet(listen(t, func(net.Conn) {})))
	require.Equal(t, task.Expire, o.Class)
	require.Equal(t, protocol.TypeTimeout, resultOf(t, o).GetError().GetType())

	c.ExpiresAt = 0 // never
	require.Equal(t, task.Success, x.Execute(t.Context(), c, greet(a.URL)).Class)
}

func TestStopping(t *testing.T) {
	for cause, class := range map[error]task.Class{exec.ErrStopping: task.Interrupt, exec.ErrCanceled: task.Cancel, exec.ErrLeaseLost: task.Cancel} {
		ctx, cancel := context.WithCancelCause(t.Context())
		endpoint := listen(t, func(net.Conn) { cancel(cause) })
		o := newExecutor(t, function.Config{}).Execute(ctx, first(), greet(endpoint))
		require.Equal(t, class, o.Class)
		require.Contains(t, o.Error, cause.Error())
	}
}

func TestStateThatCannotBeRead(t *testing.T) {
	c := function.Config{Resume: func(context.Context, task.ID, int64, int, int) (store.Resumption, error) {
		return store.Resumption{}, fmt.Errorf("the database is away")
	}}
	o := newExecutor(t, c).Execute(t.Context(), later(2), greet("http://127.0.0.1:1"))
	require.Equal(t, task.Throttle, o.Class)
	require.Contains(t, o.Error, "the database is away")
	for _, state := range []string{"", "\x02", "\x01\xff"} {
		o = newExecutor(t, function.Config{}, store.Resumption{State: []byte(state)}).Execute(t.Context(), later(2), greet("http://127.0.0.1:1"))
		require.Equal(t, task.Reject, o.Class)
		require.Contains(t, o.Error, "the stored state cannot be read")
	}
}

// The last failure of a call is what its parent sees; of the others only a short
// one is kept.
func TestWhatIsKeptOfFailures(t *testing.T) {
	a := serve(t, exit(sdkv1.Status_STATUS_TEMPORARY_ERROR, text(strings.Repeat("x", 100_000)), nil))
	x := newExecutor(t, function.Config{})
	c := later(3)
	c.MaxAttempts, c.Failures = 3, 1
	require.Empty(t, x.Execute(t.Context(), c, greet(a.URL)).Answer.Body)
	c.Failures = 2
	require.Greater(t, len(x.Execute(t.Context(), c, greet(a.URL)).Answer.Body), 100_000)
}

func TestTheGuardIsAsked(t *testing.T) {
	d, err := egress.New(egress.Config{})
	require.NoError(t, err)
	o := newExecutor(t, function.Config{Dialer: d}).Execute(t.Context(), first(), greet("http://127.0.0.1:9"))
	require.Equal(t, task.Failure, o.Class)
	require.Contains(t, o.Error, "refused to connect to 127.0.0.1:9")
}

// listen is an app that reads one request of each connection and then does as it
// likes, until the other side has closed.
func listen(t testing.TB, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096))
				answer(c)
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return "http://" + l.Addr().String()
}
