//go:build linux

package compat_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// A function that is called from outside does what it is for.
func TestPublish(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	}))
	defer receiver.Close()
	s := startServer(t)
	o := startApp(t, s).outside(t)

	id := o.dispatch("publish", receiver.URL, "hello=world")
	require.Equal(t, "hello=world", <-got)
	require.Equal(t, "200", s.result(id))
	require.Equal(t, "success", outcomes(s.attempts(id)))
	require.Empty(t, got, "once")
}

// Calls end as their function says, with dispatch-py 0.8.0.
func TestFailures(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := startApp(t, s)
	o := a.outside(t)
	cases := []struct {
		function        string
		args            []any
		status          string
		kind, text, row string
	}{
		{"fail_as", []any{"ValueError", "wrong"}, "INVALID_ARGUMENT", "ValueError", "wrong", "reject"},
		{"fail_as", []any{"RuntimeError", "broken"}, "PERMANENT_ERROR", "RuntimeError", "broken", "reject"},
		{"fail_as", []any{"PermanentError", "for good"}, "PERMANENT_ERROR", "PermanentError", "for good", "reject"},
		{"greet", []any{"too", "many", "arguments"}, "INVALID_ARGUMENT", "TypeError", "", "reject"},
		{"middle", nil, "PERMANENT_ERROR", "OutOfStock", "no more apples", "suspend reject"},
		{"no_such_function", nil, "NOT_FOUND", "NOT_FOUND", "404 Not Found: not_found: function 'no_such_function' does not exist", "reject"},
		{"partial", nil, "PERMANENT_ERROR", "PERMANENT_ERROR", "the function ended with status PERMANENT_ERROR", "reject"},
	}
	calls := make([][]any, len(cases))
	for i, c := range cases {
		calls[i] = []any{c.function, append([]any{}, c.args...)}
	}
	ids := o.batch(calls...)
	for i, c := range cases {
		got, attempts := s.end(ids[i]), s.attempts(ids[i])
		require.Equal(t, "failed", got.State, c.function)
		require.Equal(t, "rejected", got.Reason, c.function)
		require.Equal(t, c.kind, got.Error.Type, c.function)
		if c.text != "" {
			require.Equal(t, c.text, got.Error.Message)
		}
		require.Equal(t, c.row, outcomes(attempts), c.function)
		require.Equal(t, c.status, attempts[len(attempts)-1].Headers["Status"], c.function)
	}
	require.Contains(t, s.task(ids[1]).Error.Traceback, "in fail_as\n", "the traceback is that of the app")
	require.JSONEq(t, `"half of it"`, string(s.task(ids[6]).Result), "a result beside a failure is kept")
}

// A primitive function that raises is answered with a 500, and tried again.
func TestPrimitiveFunctionThatRaises(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	id := startApp(t, s).outside(t).dispatch("crash")
	waitFor(t, "it is tried again", func() bool { return len(s.attempts(id)) >= 2 })
	got := s.attempts(id)[0]
	require.Equal(t, 500, got.Status)
	require.Contains(t, got.Error, "500 Internal Server Error: internal: function 'crash' fatal error")
}

// What cannot be dispatched is refused with the code and the text that the SDK shows.
func TestDispatchRefused(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := newApp(t, environment(t, "py08"), s)

	got := a.outside(t, "DISPATCH_API_KEY=wrong").ask(map[string]any{"calls": []any{[]any{"greet", []any{"you"}}}})
	require.Equal(t, "PermissionError", got.Error)
	require.Contains(t, got.Message, "check DISPATCH_API_KEY is correct")

	got = a.outside(t).ask(map[string]any{"calls": []any{[]any{"no name", []any{}}}})
	require.Equal(t, "ClientError", got.Error)
	require.Contains(t, got.Message, "invalid_argument: calls[0].function: ")

	got = a.outside(t, "DISPATCH_ENDPOINT_URL=http://169.254.169.254").ask(map[string]any{"calls": []any{[]any{"greet", []any{"you"}}}})
	require.Equal(t, "ClientError", got.Error)
	require.Contains(t, got.Message, "invalid_argument: calls[0].endpoint: refused to connect to 169.254.169.254:80: cloud metadata service")
}

// endpoint is what the server knows of an app.
type endpoint struct {
	Endpoint    string `json:"endpoint"`
	PausedUntil string `json:"paused_until"`
	LastError   string `json:"last_error"`
	Succeeded   int    `json:"succeeded"`
}

func (s *server) endpoints() []endpoint {
	s.t.Helper()
	var page struct {
		Items []endpoint `json:"items"`
	}
	s.get("/v1/endpoints", &page)
	return page.Items
}

// An app that verifies runs takes those of its server. With another key it
// refuses them: it is left alone for a while, its calls wait, and they succeed
// once it has the right key.
func TestVerificationKey(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	key := s.publicKey()
	other, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)

	a := newApp(t, environment(t, "py08"), s, "-c", "import app, dispatch; dispatch.run_forever()")
	a.env = []string{"DISPATCH_VERIFICATION_KEY=" + base64.StdEncoding.EncodeToString(other)}
	a.start()
	o := a.outside(t)
	id := o.dispatch("pipeline", 2)
	waitFor(t, "the endpoint is left alone", func() bool {
		list := s.endpoints()
		return len(list) == 1 && list[0].PausedUntil != "" && list[0].LastError != ""
	})
	require.Contains(t, s.endpoints()[0].LastError, "403 Forbidden: permission_denied")
	waitFor(t, "its call is put off", func() bool { return s.task(id).State == "scheduled" })
	require.Equal(t, "refused", s.task(id).Reason)

	a.kill()
	a.env = []string{"DISPATCH_VERIFICATION_KEY=" + key}
	a.start()
	require.Equal(t, "12", s.result(id), "with the key as PEM")
	require.Empty(t, s.endpoints()[0].PausedUntil)

	a.kill()
	a.env = []string{"DISPATCH_VERIFICATION_KEY=" + base64.StdEncoding.EncodeToString(rawKey(t, key))}
	a.start()
	require.Equal(t, "30", s.result(o.dispatch("pipeline", 4)), "with the key as base64")

	a.kill()
	a.env = nil
	a.start()
	require.Equal(t, "56", s.result(o.dispatch("pipeline", 6)), "without a key runs are not verified")
}

// With --strict-status a refusal is the end of the call, as with Dispatch.
func TestStrictStatus(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--strict-status")
	other, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	a := newApp(t, environment(t, "py08"), s, "-c", "import app, dispatch; dispatch.run_forever()")
	a.env = []string{"DISPATCH_VERIFICATION_KEY=" + base64.StdEncoding.EncodeToString(other)}
	a.start()
	got := s.end(a.outside(t).dispatch("greet", "you"))
	require.Equal(t, "rejected", got.Reason)
	require.Equal(t, "PERMISSION_DENIED", got.Error.Type)
}

func rawKey(t *testing.T, text string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	require.NotNil(t, block, text)
	require.Equal(t, "PUBLIC KEY", block.Type)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	return key.(ed25519.PublicKey)
}
