package push_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/push"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newPusher(t testing.TB, c push.Config) *push.Pusher {
	t.Helper()
	d, err := egress.New(egress.Config{AllowLoopback: true})
	require.NoError(t, err)
	p := push.New(d, c)
	t.Cleanup(p.Close)
	return p
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func claimed(payload string) *store.Claimed {
	id, _ := task.ParseID("019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00")
	return &store.Claimed{ID: id, Token: 42, Lane: 7, Kind: task.HTTP, MaxAttempts: 25, Payload: []byte(payload)}
}

// lines are headers, given as names and values.
func lines(pairs ...string) []task.Header {
	var h []task.Header
	for i := 0; i < len(pairs); i += 2 {
		h = append(h, task.Header{Name: pairs[i], Value: pairs[i+1]})
	}
	return h
}

func send(t testing.TB, p *push.Pusher, target string) task.Outcome {
	t.Helper()
	return p.Execute(t.Context(), claimed("{}"), &task.Spec{Kind: task.HTTP, URL: target, Timeout: 10 * time.Second})
}

func TestTheAppGetsTheTaskWithEverythingThatNamesIt(t *testing.T) {
	var got *http.Request
	var body []byte
	app := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	})
	p := newPusher(t, push.Config{UserAgent: "sendoff/1.2.3", Queue: func(lane int32) string { return fmt.Sprintf("queue-%d", lane) }})
	c := claimed(`{"a":1}`)
	c.Failures, c.MaxAttempts = 2, 5
	o := p.Execute(t.Context(), c, &task.Spec{
		URL: app.URL + "/hook?x=1", Name: "send mail", ContentType: "application/json",
		Header: lines("X-Own", "1", "x-own", "2", "Authorization", "Bearer abc"),
	})
	require.Equal(t, task.Outcome{Class: task.Success, Code: 200}, o)
	require.True(t, o.Answer.Empty())

	require.Equal(t, "POST", got.Method)
	require.Equal(t, "/hook?x=1", got.RequestURI)
	require.Equal(t, `{"a":1}`, string(body))
	for name, want := range map[string]string{
		"Sendoff-Task-Id": "019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00", "Sendoff-Queue": "queue-7", "Sendoff-Task-Name": "send mail",
		"Sendoff-Attempt": "3", "Sendoff-Max-Attempts": "5", "Sendoff-Final-Attempt": "?0", "Sendoff-Token": "42",
		"Idempotency-Key": "019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00", "Content-Type": "application/json", "Content-Length": "7",
		"User-Agent": "sendoff/1.2.3", "Authorization": "Bearer abc",
	} {
		require.Equal(t, []string{want}, got.Header.Values(name), name)
	}
	require.Equal(t, []string{"1", "2"}, got.Header.Values("X-Own"))
	require.Regexp(t, `^00-019aab6e6f3a7c1e8d245f2b7a1c9e00-[0-9a-f]{16}-01$`, got.Header.Get("Traceparent"))
	require.Empty(t, got.Header.Get("X-Task-Name"))
	require.Empty(t, got.Header.Get("Accept-Encoding"))
	require.Empty(t, got.Header.Get("Signature"))
}

func TestTheVariantsOfAPush(t *testing.T) {
	type seen struct {
		method string
		header http.Header
		body   string
	}
	var got seen
	app := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = seen{r.Method, r.Header, string(b)}
	})
	run := func(c *store.Claimed, spec task.Spec) seen {
		t.Helper()
		if spec.URL == "" {
			spec.URL = app.URL
		}
		o := newPusher(t, push.Config{}).Execute(t.Context(), c, &spec)
		require.Equal(t, task.Success, o.Class, o.Error)
		return got
	}

	t.Run("the last attempt says so", func(t *testing.T) {
		c := claimed("")
		c.Failures = 24
		require.Equal(t, "?1", run(c, task.Spec{}).header.Get("Sendoff-Final-Attempt"))
	})
	t.Run("another method without a body", func(t *testing.T) {
		s := run(claimed(""), task.Spec{Method: "GET"})
		require.Equal(t, "GET", s.method)
		require.Empty(t, s.header.Values("Content-Type"))
	})
	t.Run("a payload of unknown type", func(t *testing.T) {
		require.Equal(t, "application/octet-stream", run(claimed("x"), task.Spec{}).header.Get("Content-Type"))
	})
	t.Run("a type among the headers", func(t *testing.T) {
		s := run(claimed("x"), task.Spec{Header: lines("content-type", "text/plain")})
		require.Equal(t, []string{"text/plain"}, s.header.Values("Content-Type"))
	})
	t.Run("the client's id", func(t *testing.T) {
		s := run(claimed("x"), task.Spec{ClientID: "order-17"})
		require.Equal(t, "order-17", s.header.Get("Sendoff-Task-Id"))
		require.Equal(t, "order-17", s.header.Get("Idempotency-Key"))
	})
	t.Run("texts that no header can hold are percent-encoded", func(t *testing.T) {
		s := run(claimed("x"), task.Spec{Name: "Grüße\r\nX-Evil: 100%", ClientID: " a b "})
		require.Equal(t, "Gr%C3%BC%C3%9Fe%0D%0AX-Evil: 100%25", s.header.Get("Sendoff-Task-Name"))
		require.Equal(t, "%20a b%20", s.header.Get("Sendoff-Task-Id"))
		require.Empty(t, s.header.Get("X-Evil"))
	})
	t.Run("the Dispatchr profile", func(t *testing.T) {
		s := run(claimed("{}"), task.Spec{Name: "mail", Profile: task.DispatchrProfile})
		require.Equal(t, "mail", s.header.Get("X-Task-Name"))
	})
	t.Run("nobody speaks in our name or for the connection", func(t *testing.T) {
		s := run(claimed("x"), task.Spec{Header: lines("sendoff-attempt", "99", "Sendoff-Other", "1", "Webhook-Signature", "v1,x", "Signature", "x", "Host", "evil", "Content-Length", "5", "Transfer-Encoding", "chunked", "Connection", "close", "Expect", "100-continue", "Upgrade", "h2c")})
		require.Equal(t, []string{"1"}, s.header.Values("Sendoff-Attempt"))
		for _, name := range []string{"Sendoff-Other", "Webhook-Signature", "Signature", "Connection", "Expect", "Upgrade"} {
			require.Empty(t, s.header.Values(name), name)
		}
		require.Equal(t, "x", s.body)
	})
	t.Run("the agent may be another, key and trace are ours", func(t *testing.T) {
		c := claimed("x")
		s := run(c, task.Spec{Header: lines("Idempotency-Key", "mine", "traceparent", "00-a-b-01", "Sendoff_Token", "9", "User-Agent", "me")})
		require.Equal(t, []string{c.ID.String()}, s.header.Values("Idempotency-Key"))
		require.NotEqual(t, "00-a-b-01", s.header.Get("Traceparent"))
		require.Empty(t, s.header.Values("Sendoff_token"))
		require.Equal(t, []string{"me"}, s.header.Values("User-Agent"))
	})
	t.Run("credentials in the URL become a header", func(t *testing.T) {
		s := run(claimed("x"), task.Spec{URL: strings.Replace(app.URL, "http://", "http://user:pass@", 1)})
		require.Equal(t, "Basic dXNlcjpwYXNz", s.header.Get("Authorization"))
	})
}

func TestEveryStatusHasItsOutcome(t *testing.T) {
	app := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		if wish := r.URL.Query().Get("retry"); wish != "" {
			w.Header().Set("Sendoff-Retry", wish)
		}
		if r.URL.Query().Has("upstash") {
			w.Header().Set("Upstash-NonRetryable-Error", "true")
		}
		w.WriteHeader(status)
	})
	p := newPusher(t, push.Config{})
	reject := map[int]bool{400: true, 405: true, 406: true, 410: true, 411: true, 413: true, 414: true, 415: true, 422: true, 431: true, 501: true, 505: true}
	for status := 200; status < 600; status++ {
		want := task.Failure
		switch {
		case status < 300:
			want = task.Success
		case reject[status]:
			want = task.Reject
		}
		target := fmt.Sprintf("%s/%d", app.URL, status)
		o := send(t, p, target)
		require.Equal(t, want, o.Class, status)
		require.EqualValues(t, status, o.Code)
		require.Equal(t, want == task.Success, o.Error == "", o.Error)
		require.Zero(t, o.RetryAfter)

		no := send(t, p, target+"?retry=no")
		require.Equal(t, want == task.Success, no.Class == task.Success, status)
		require.Equal(t, want != task.Success, no.Class == task.Reject, status)
		require.Equal(t, task.Failure, send(t, p, target+"?retry=Yes").Class, status)
		require.Equal(t, want, send(t, p, target+"?retry=maybe").Class, status)
	}
	require.Equal(t, task.Reject, send(t, p, app.URL+"/489?upstash").Class)
	require.Equal(t, task.Failure, send(t, p, app.URL+"/490?upstash").Class)
	require.Equal(t, "POST "+app.URL+"/500: 500 Internal Server Error", send(t, p, app.URL+"/500").Error)
	require.Equal(t, "POST "+app.URL+"/302: 302 Found, redirects are not followed", send(t, p, app.URL+"/302").Error)
}

func TestRetryAfterIsHonouredOnEveryFailedAnswer(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	const endless = time.Duration(1<<63 - 1)
	tests := []struct {
		name  string
		lines []string // as they come over the wire
		want  time.Duration
	}{
		{"seconds", []string{"Retry-After: 30"}, 30 * time.Second},
		{"lower case, blanks", []string{"retry-after:   7  "}, 7 * time.Second},
		{"zero", []string{"Retry-After: 0"}, 0},
		{"negative", []string{"Retry-After: -30"}, 0},
		{"signed", []string{"Retry-After: +30"}, 0},
		{"fractional", []string{"Retry-After: 1.5"}, 0},
		{"garbage", []string{"Retry-After: soon"}, 0},
		{"empty", []string{"Retry-After:"}, 0},
		{"hex", []string{"Retry-After: 0x10"}, 0},
		{"a unit", []string{"Retry-After: 30s"}, 0},
		{"a list", []string{"Retry-After: 30, 60"}, 0},
		{"a year", []string{"Retry-After: 31536000"}, 365 * 24 * time.Hour},
		{"huge", []string{"Retry-After: 99999999999999"}, endless},
		{"huger", []string{"Retry-After: " + strings.Repeat("9", 1000)}, endless},
		{"date ahead", []string{"Retry-After: " + date(time.Minute)}, time.Minute},
		{"date past", []string{"Retry-After: " + date(-time.Minute)}, 0},
		{"date now", []string{"Retry-After: " + date(0)}, 0},
		{"no date", []string{"Retry-After: Fri, 99 Foo 2026"}, 0},
		{"rfc850 date", []string{"Retry-After: " + now.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT")}, time.Minute},
		{"two lines, the longer counts", []string{"Retry-After: 5", "Retry-After: 60"}, time.Minute},
		{"two lines, one is garbage", []string{"Retry-After: x", "Retry-After: 60"}, time.Minute},
		{"a date by the clock of the app", []string{"Date: " + date(time.Hour), "Retry-After: " + date(time.Hour+90*time.Second)}, 90 * time.Second},
		{"the app's clock cannot be read", []string{"Date: today", "Retry-After: " + date(90*time.Second)}, 90 * time.Second},
	}
	p := newPusher(t, push.Config{Now: func() time.Time { return now }})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for status, class := range map[int]task.Class{
				429: task.Throttle, 503: task.Throttle, 500: task.Failure, 404: task.Failure, 302: task.Failure, 408: task.Failure, 400: task.Reject,
			} {
				if class == task.Throttle && tt.want == 0 {
					class = task.Failure // a bare 429 or 503 spends an attempt
				}
				app := raw(t, fmt.Sprintf("HTTP/1.1 %d X\r\n%s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, strings.Join(tt.lines, "\r\n")))
				o := send(t, p, app)
				require.Equal(t, class, o.Class, "%d: %s", status, o.Error)
				require.Equal(t, tt.want, o.RetryAfter, status)
			}
			app := raw(t, "HTTP/1.1 204 X\r\n"+strings.Join(tt.lines, "\r\n")+"\r\nConnection: close\r\n\r\n")
			require.Zero(t, send(t, p, app).RetryAfter, "not on success")
		})
	}
	t.Run("with Sendoff-Retry", func(t *testing.T) {
		answer := func(status int, wish string) task.Outcome {
			return send(t, p, raw(t, fmt.Sprintf("HTTP/1.1 %d X\r\nRetry-After: 9\r\nSendoff-Retry: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, wish)))
		}
		require.Equal(t, task.Reject, answer(429, "no").Class)
		require.Equal(t, task.Throttle, answer(429, "yes").Class)
		for _, status := range []int{200, 400, 500} {
			o := answer(status, "yes")
			require.Equal(t, task.Failure, o.Class)
			require.Equal(t, 9*time.Second, o.RetryAfter)
		}
	})
}

// S3.
func TestARedirectIsAFailedAttemptAndNotFollowed(t *testing.T) {
	var followed atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { followed.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		app := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		o := send(t, newPusher(t, push.Config{}), app.URL)
		require.Equal(t, task.Failure, o.Class)
		require.EqualValues(t, status, o.Code)
		require.Contains(t, o.Answer.Header, task.Header{Name: "Location", Value: other.URL})
	}
	require.Zero(t, followed.Load())
}

// theirs is an answer without what is ours: how the push went.
func theirs(a task.Answer) task.Answer {
	a.Header = slices.DeleteFunc(a.Header, func(h task.Header) bool { return h.Name == task.AnatomyHeader })
	if len(a.Header) == 0 {
		a.Header = nil
	}
	return a
}

func TestWhatIsKeptOfAnAnswer(t *testing.T) {
	var answer http.HandlerFunc
	app := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, r) })
	p := newPusher(t, push.Config{MaxAnswer: 100})
	run := func(h http.HandlerFunc) task.Answer {
		answer = h
		return theirs(send(t, p, app.URL).Answer)
	}
	require.True(t, run(func(http.ResponseWriter, *http.Request) {}).Empty())
	require.True(t, run(func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range []string{"Server", "Vary", "Cache-Control", "Set-Cookie", "X-Powered-By", "Content-Type", "Access-Control-Allow-Origin", "Strict-Transport-Security"} {
			w.Header().Set(name, "x")
		}
	}).Empty(), "what every framework sends is not content")
	require.Equal(t, task.Answer{Header: lines("Content-Type", "text/plain", "X-Result", "7", "X-Result", "8"), Body: []byte("done")},
		run(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X-Result"] = []string{"7", "8"}
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, "done")
		}))
	for size, truncated := range map[int]bool{99: false, 100: false, 101: true, 1 << 20: true} {
		a := run(func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte("x"), size)) })
		require.Len(t, a.Body, min(size, 100))
		require.Equal(t, truncated, a.Truncated, size)
	}
	many := run(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 200 {
			w.Header().Set(fmt.Sprintf("X-%03d", i), "v")
		}
	})
	require.Len(t, many.Header, 64)
	long := run(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 20 {
			w.Header().Set(fmt.Sprintf("X-%03d", i), strings.Repeat("v", 1<<10))
		}
	})
	require.Len(t, long.Header, 15, "16 KiB")
	failed := run(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "why", 500) })
	require.Equal(t, "why\n", string(failed.Body), "of failed answers too")
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var opened atomic.Int64
	app := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(make([]byte, 10<<10))
	}))
	app.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	app.Start()
	defer app.Close()
	p := newPusher(t, push.Config{})
	for range 50 {
		require.Equal(t, task.Success, send(t, p, app.URL).Class)
	}
	require.EqualValues(t, 1, opened.Load())
}

func TestOneAttemptIsOneRequestEvenWhenAReusedConnectionBreaks(t *testing.T) {
	var requests atomic.Int64
	app := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) > 1 {
			conn, _, _ := w.(http.Hijacker).Hijack()
			conn.Close()
		}
	})
	p := newPusher(t, push.Config{})
	require.Equal(t, task.Success, send(t, p, app.URL).Class)
	o := send(t, p, app.URL)
	require.Equal(t, task.Failure, o.Class)
	require.Equal(t, "POST "+app.URL+": the connection was closed before the end of the answer", o.Error)
	require.EqualValues(t, 2, requests.Load())
}

func TestErrorsAreOneSentenceWithoutSecrets(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	secret := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	tls := httptest.NewUnstartedServer(nil)
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	defer tls.Close()
	tests := []struct {
		name, url string
		class     task.Class
		want      string
	}{
		{"nobody listens", closed.URL + "/x", task.Failure, "POST " + closed.URL + "/x: connection refused"},
		{"secrets are left out", strings.Replace(secret.URL, "http://", "http://user:hunter2@", 1) + "/p?token=hunter2", task.Failure, "POST " + secret.URL + "/p: 500 Internal Server Error"},
		{"refused", "http://10.0.0.1/x", task.Failure, "POST http://10.0.0.1/x: refused to connect to 10.0.0.1:80: private network (RFC 1918); start the server with --allow-egress 10.0.0.1 to permit it"},
		{"odd spelling", "http://0x7f.1/", task.Reject, `POST http://0x7f.1/: host "0x7f.1": write an IPv4 address as four decimal numbers`},
		{"no http", "ftp://h/", task.Reject, `POST ftp://h/: scheme "ftp": want http or https`},
		{"no URL", "http://h\x00unter2/", task.Reject, "the URL cannot be read"},
		{"untrusted certificate", tls.URL, task.Failure, "POST " + tls.URL + ": tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{"not HTTP", raw(t, "220 smtp ready\r\n"), task.Failure, ""},
	}
	p := newPusher(t, push.Config{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := send(t, p, tt.url)
			require.Equal(t, tt.class, o.Class, o.Error)
			require.NotContains(t, o.Error, "hunter2")
			require.NotContains(t, o.Error, "\n")
			if tt.want != "" {
				require.Equal(t, tt.want, o.Error)
			}
		})
	}
	for _, h := range lines("Bad Name", "v", "X", "a\r\nb", "", "v") {
		o := p.Execute(t.Context(), claimed(""), &task.Spec{URL: secret.URL, Header: []task.Header{h}})
		require.Equal(t, task.Reject, o.Class)
		require.Contains(t, o.Error, "cannot be sent")
	}
	require.Equal(t, task.Reject, p.Execute(t.Context(), claimed(""), &task.Spec{URL: secret.URL, Method: "A B"}).Class)
}

func TestTheTimeoutOfTheTaskEndsTheAttempt(t *testing.T) {
	release := make(chan struct{})
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.Write([]byte("begun"))
			w.(http.Flusher).Flush()
		}
		<-release
	})
	defer close(release)
	p := newPusher(t, push.Config{})
	o := p.Execute(t.Context(), claimed(""), &task.Spec{URL: slow.URL, Timeout: 100 * time.Millisecond})
	o.Answer = theirs(o.Answer)
	require.Equal(t, task.Outcome{Class: task.Failure, Cause: task.CauseTimeout, Error: "POST " + slow.URL + ": no answer within 100ms"}, o)
	o = p.Execute(t.Context(), claimed(""), &task.Spec{URL: slow.URL + "/body", Timeout: 100 * time.Millisecond})
	require.Equal(t, task.Failure, o.Class, "200 is no success before its end")
	require.Equal(t, "POST "+slow.URL+"/body: the answer did not end within 100ms", o.Error)
	require.Equal(t, "begun", string(o.Answer.Body))
	require.True(t, o.Answer.Truncated)
}

func TestACancelEndsTheAttemptByItsCause(t *testing.T) {
	for cause, want := range map[error]task.Class{
		exec.ErrStopping: task.Interrupt, exec.ErrLeaseLost: task.Cancel, exec.ErrCanceled: task.Cancel, errors.New("other"): task.Interrupt,
	} {
		for _, path := range []string{"/", "/body"} {
			ctx, cancel := context.WithCancelCause(t.Context())
			app := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if path == "/body" {
					w.(http.Flusher).Flush()
				}
				cancel(cause)
				<-r.Context().Done()
			})
			o := newPusher(t, push.Config{}).Execute(ctx, claimed(""), &task.Spec{URL: app.URL + path})
			require.Equal(t, want, o.Class, "%v %s", cause, path)
			require.Contains(t, o.Error, cause.Error())
		}
	}
}

func TestAPushIsSignedSoThatItsReceiverCanVerifyIt(t *testing.T) {
	keys := httpsig.NewKeys()
	webhook, err := httpsig.NewWebhook(keys.WebhookSecret())
	require.NoError(t, err)
	v := &httpsig.Verifier{Key: httpsig.FixedKeys(keys.Public()), Nonces: httpsig.NewNonces(0)}
	var checked error
	app := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m := httpsig.MessageOf(r)
		checked = errors.Join(v.Verify(r.Context(), &m, body), webhook.Verify(r.Header, body, time.Now(), 0))
	})
	p := newPusher(t, push.Config{Keys: keys})
	for _, tt := range []struct {
		payload string
		spec    task.Spec
	}{
		{`{"a":1}`, task.Spec{URL: app.URL + "/hook?x=1&y=%20", ContentType: "application/json"}},
		{"", task.Spec{URL: app.URL}},
		{"", task.Spec{URL: app.URL + "?q", Method: "DELETE"}},
		{"x", task.Spec{URL: strings.Replace(app.URL, "http://", "HTTP://user:pw@", 1) + "/a%2Fb#frag", ClientID: "shop.example/Größe 7"}},
		{strings.Repeat("x", 1<<20), task.Spec{URL: strings.Replace(app.URL, "127.0.0.1", "LocalHost", 1), Header: lines("Content-Type", " text/plain; charset=utf-8 ")}},
	} {
		checked = errors.New("not called")
		o := p.Execute(t.Context(), claimed(tt.payload), &tt.spec)
		require.Equal(t, task.Success, o.Class, o.Error)
		require.NoError(t, checked, tt.spec.URL)
	}

	p = newPusher(t, push.Config{Keys: keys, OmitSignature: true})
	send(t, p, app.URL)
	require.ErrorIs(t, checked, httpsig.ErrUnsigned)
}

// S23: what a hostile endpoint sends costs a bounded time and amount of memory.
func TestAHostileEndpointCostsLittle(t *testing.T) {
	forever := func(head, rest string) func(net.Conn) {
		return func(c net.Conn) {
			io.WriteString(c, head)
			for chunk := strings.Repeat(rest, max(1, 4096/len(rest))); ; {
				if _, err := io.WriteString(c, chunk); err != nil {
					return
				}
			}
		}
	}
	trickle := func(head, rest string) func(net.Conn) {
		return func(c net.Conn) {
			io.WriteString(c, head)
			for {
				if _, err := io.WriteString(c, rest); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond) // its nature: slow
			}
		}
	}
	tests := []struct {
		name    string
		answer  func(net.Conn)
		class   task.Class
		kept    int // bytes, -1 = any
		waiting bool
	}{
		{"endless headers", forever("HTTP/1.1 200 OK\r\n", "X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"), task.Failure, 0, false},
		{"an endless header line", forever("HTTP/1.1 200 OK\r\nX-A: ", "a"), task.Failure, 0, false},
		{"an endless status line", forever("HTTP/1.1 200 ", "O"), task.Failure, 0, false},
		{"endless 1xx", forever("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), task.Failure, 0, false},
		{"an endless body", forever("HTTP/1.1 200 OK\r\n\r\n", "x"), task.Success, 64 << 10, false},
		{"an endless chunked body", forever("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"), task.Success, 64 << 10, false},
		{"a byte at a time", trickle("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", "x"), task.Failure, -1, true},
		{"a header at a time", trickle("HTTP/1.1 200 OK\r\n", "X-A: a\r\n"), task.Failure, 0, true},
		{"an empty chunk extension at a time", trickle("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"), task.Failure, 0, true},
		{"endless trailers", forever("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n0\r\n", "X-A: aaaa\r\n"), task.Failure, 0, false},
		{"a body shorter than promised", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"); c.Close() }, task.Failure, 5, false},
		{"a huge promised length", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\nhello")
			c.Close()
		}, task.Failure, 5, false},
		{"two lengths", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
		}, task.Failure, 0, false},
		{"switching protocols", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		}, task.Failure, 0, false},
		{"gzip is kept as it is", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00")
		}, task.Success, 4, false},
		{"silence", func(c net.Conn) {}, task.Failure, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := listen(t, tt.answer)
			p := newPusher(t, push.Config{})
			timeout := 5 * time.Second
			if tt.waiting {
				timeout = 150 * time.Millisecond
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			o := p.Execute(t.Context(), claimed("{}"), &task.Spec{URL: target, Timeout: timeout})
			took := time.Since(start)
			runtime.ReadMemStats(&after)

			require.Equal(t, tt.class, o.Class, o.Error)
			if tt.kept >= 0 {
				require.Len(t, o.Answer.Body, tt.kept)
			}
			require.Less(t, took, 3*time.Second)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
			require.Less(t, len(o.Error), 500)
		})
	}
}

func TestTheOutcomeIsWhatTaskDecideExpects(t *testing.T) {
	p := newPusher(t, push.Config{})
	o := send(t, p, raw(t, "HTTP/1.1 503 X\r\nRetry-After: 99999999999999\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	d := task.Decide(task.Attempt{Failures: 3}, o, 0)
	require.Equal(t, task.Decision{To: task.Scheduled, Reason: task.Throttled, Delay: task.MaxRetryAfter, Failures: 3}, d)
}

// raw is an app that answers every request with the given bytes.
func raw(t testing.TB, answer string) string {
	t.Helper()
	return listen(t, func(c net.Conn) { io.WriteString(c, answer) })
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
				buf := make([]byte, 4096)
				c.Read(buf)
				answer(c)
				io.Copy(io.Discard, c)
			}()
		}
	}()
	t.Cleanup(func() { l.Close() })
	return "http://" + l.Addr().String()
}

func BenchmarkPush(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
	}))
	defer sink.Close()
	payload, _ := json.Marshal(map[string]string{"hello": strings.Repeat("x", 200)})
	spec := &task.Spec{URL: sink.URL + "/hook", ContentType: "application/json", Name: "bench"}
	for name, keys := range map[string]*httpsig.Keys{"signed": httpsig.NewKeys(), "unsigned": nil} {
		run := func(b *testing.B, parallel int) {
			d, _ := egress.New(egress.Config{AllowLoopback: true})
			p := push.New(d, push.Config{Keys: keys})
			defer p.Close()
			b.ReportAllocs()
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				c := claimed(string(payload))
				for pb.Next() {
					if o := p.Execute(b.Context(), c, spec); o.Class != task.Success {
						b.Error(o.Error)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "push/s")
		}
		b.Run(name+"/32", func(b *testing.B) { run(b, 32) })
		b.Run(name+"/1", func(b *testing.B) { run(b, 1) })
	}
}
