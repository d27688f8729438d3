//go:build linux

package compat_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// serveASGI prepares an app under an ASGI server.
func serveASGI(t *testing.T, env, module string, s *server) *app {
	t.Helper()
	a := newApp(t, environment(t, env), s)
	host, port, err := net.SplitHostPort(a.addr)
	require.NoError(t, err)
	a.args = []string{"-m", "uvicorn", "--host", host, "--port", port, module + ":app"}
	return a
}

// dispatch has an app of 0.7.1 dispatch a call.
func (a *app) dispatch(function string, args ...any) string {
	a.t.Helper()
	var id string
	a.post("/dispatch/"+function, append([]any{}, args...), &id)
	return id
}

func (a *app) post(path string, body, into any) {
	a.t.Helper()
	b, err := json.Marshal(body)
	require.NoError(a.t, err)
	res, err := http.Post("http://"+a.addr+path, "application/json", bytes.NewReader(b))
	require.NoError(a.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(a.t, err)
	require.Equal(a.t, 200, res.StatusCode, string(text))
	require.NoError(a.t, json.Unmarshal(text, into))
}

// value is what a function has stored under a name.
func (a *app) value(name string) string {
	b, _ := os.ReadFile(filepath.Join(a.marks, name+".value"))
	return string(b)
}

// dispatch-py 0.7.1 dispatches by gRPC, without TLS by HTTP/2 from the first byte.
func TestCallsByGRPC(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := serveASGI(t, "py07", "app", s)
	a.env = []string{"DISPATCH_VERIFICATION_KEY=" + s.publicKey()}
	a.start()
	cases := []struct {
		function string
		args     []any
		want     string
	}{
		{"pipeline", []any{"pipeline", 2}, "12"},
		{"squares", []any{"squares25", 25}, "4900"},
		{"squares", []any{"squares200", 200}, "2646700"},
		{"caught", []any{"caught"}, "'ValueError: wrong'"},
		{"repeated", []any{"repeated"}, "2"},
		{"countdown", []any{"countdown", 2, 0}, "3"},
	}
	ids := make([]string, len(cases))
	for i, c := range cases {
		ids[i] = a.dispatch(c.function, c.args...)
	}
	failed := a.dispatch("fail", "wrong")
	for i, c := range cases {
		s.result(ids[i])
		require.Equal(t, c.want, a.value(c.args[0].(string)), c.function)
	}
	got := s.end(failed)
	require.Equal(t, "rejected", got.Reason)
	require.Equal(t, "ValueError", got.Error.Type)
	require.Equal(t, "wrong", got.Error.Message)

	// As with 0.8.0: see TestFaults.
	got = s.end(a.dispatch("call_in_call", 5))
	require.Equal(t, "TypeError: cannot pickle 'coroutine' object", got.LastError)

	var refused string
	a.post("/refused", nil, &refused)
	require.Contains(t, refused, "Dispatch received an invalid authentication token")
}

// A function that 0.7.1 has suspended goes on after a restart of its app.
func TestRestartOfTheAppByGRPC(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := serveASGI(t, "py07", "app", s)
	a.start()
	id := a.dispatch("long_way", "gate")
	waitFor(t, "it waits", func() bool { return a.marked("gate.runs") >= 1 && s.task(id).State == "suspended" })
	a.kill()
	a.mark("gate")
	a.start()
	s.result(id)
	require.Equal(t, "42", a.value("gate"))
	require.Equal(t, 1, a.marked("gate.begun"), "it was resumed, not begun again")
}

// When an app goes from 0.7.1 to 0.8.0 its suspended functions begin again from
// their input, for 0.8.0 does not read the states of 0.7.1.
func TestFrom07To08(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	old := serveASGI(t, "py07", "app", s)
	old.start()
	id := old.dispatch("long_way", "gate")
	waitFor(t, "it waits", func() bool { return old.marked("gate.runs") >= 1 && s.task(id).State == "suspended" })
	old.kill()

	a := newApp(t, environment(t, "py08"), s, "-c", "import app, dispatch; dispatch.run_forever()")
	a.addr, a.url = old.addr, old.url
	a.mark("gate")
	a.start()
	require.Equal(t, "42", s.result(id))
	require.Equal(t, 1, a.marked("gate.begun"))
	require.Contains(t, outcomes(s.attempts(id)), "failure failure failure", "each a 500")
}

// published counts what the app of the README publishes.
func published(t *testing.T) (address string, got chan string) {
	t.Helper()
	got = make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, got
}

func getRoot(t *testing.T, a *app, to string) int {
	t.Helper()
	res, err := http.Get("http://" + a.addr + "/?url=" + url.QueryEscape(to))
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	return res.StatusCode
}

// The app of the README publishes once for each request that it gets.
func TestREADMEAppByGRPC(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := serveASGI(t, "py07", "app", s)
	a.start()
	to, got := published(t)
	for range 5 {
		require.Equal(t, 200, getRoot(t, a, to))
	}
	for range 5 {
		require.Equal(t, "hello=world", <-got)
	}
}

// With 0.8.0 it does so once: the second dispatch() of a blocking integration
// fails in the SDK, which keeps a session of an event loop that has ended.
func TestREADMEApp(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := serveASGI(t, "py08", "blocking", s)
	a.env = []string{"DISPATCH_VERIFICATION_KEY=" + s.publicKey()}
	a.start()
	to, got := published(t)
	require.Equal(t, 200, getRoot(t, a, to))
	require.Equal(t, "hello=world", <-got)
	require.Equal(t, 500, getRoot(t, a, to))
	waitFor(t, "the log says why", func() bool { return strings.Contains(tail(a.log.Name(), 4000), "RuntimeError: Event loop is closed") })
}

// It works with the integration for asyncio.
func TestREADMEAppWithAsyncio(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := serveASGI(t, "py08", "nonblocking", s)
	a.env = []string{"DISPATCH_VERIFICATION_KEY=" + s.publicKey()}
	a.start()
	to, got := published(t)
	for range 5 {
		require.Equal(t, 200, getRoot(t, a, to))
		require.Equal(t, "hello=world", <-got)
	}
}
