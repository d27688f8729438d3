//go:build linux

package compat_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// What users of dispatch-py 0.8.0 meet, and docs/dispatch.md tells them.

// dispatch-py 0.8.0 answers 500 to a run of a call that has ended in the same
// process, as it has when the answer got lost: the server was killed, a connection
// broke. The next run has the id in another spelling, which it does not know.
func TestRunWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := newApp(t, environment(t, "py08"), s, "-c", "import app, dispatch; dispatch.run_forever()")
	var runs atomic.Int64
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: a.addr})
	proxy.ModifyResponse = func(*http.Response) error {
		if runs.Add(1) == 1 {
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	a.url = srv.URL
	a.start()
	id := a.outside(t).dispatch("add", 1, 2)
	require.Equal(t, "3", s.result(id))
	attempts := s.attempts(id)
	require.Equal(t, "failure failure success", outcomes(attempts))
	require.Contains(t, attempts[0].Error, "the connection was closed before the end of the answer")
	require.Equal(t, 500, attempts[1].Status)
}

// An output with a status that is not final has the function run again: the second
// run is answered with 500 for the same reason, although the function has run.
func TestOutputThatAsksForARetry(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := startApp(t, s)
	id := a.outside(t).dispatch("busy", "busy")
	require.JSONEq(t, `"done"`, s.result(id))
	attempts := s.attempts(id)
	require.Equal(t, "failure failure success", outcomes(attempts))
	require.Equal(t, "TEMPORARY_ERROR", attempts[0].Headers["Status"])
	require.Equal(t, 500, attempts[1].Status)
	require.Equal(t, 3, a.marked("busy"), "the run that was answered with 500 was a whole one")
}

// Served by http.server, an app that verifies runs refuses all of them.
func TestHTTPServerWithAKey(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := newApp(t, environment(t, "py08"), s)
	host, port, err := net.SplitHostPort(a.addr)
	require.NoError(t, err)
	a.args = []string{"-c", "import app, dispatch; from http.server import HTTPServer\n" +
		"HTTPServer(('" + host + "', " + port + "), dispatch.Dispatch(dispatch.default_registry())).serve_forever()"}
	a.env = []string{"DISPATCH_VERIFICATION_KEY=" + s.publicKey()}
	a.start()
	id := a.outside(t).dispatch("pipeline", 2)
	waitFor(t, "it is refused", func() bool { return strings.Contains(s.task(id).LastError, "403 Forbidden") })

	a.kill()
	a.env = nil
	a.start()
	require.Equal(t, "12", s.result(id), "without the key it serves them")
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := startApp(t, s)
	o := a.outside(t)

	// gather of nothing never returns. It must not keep the server busy.
	id := o.dispatch("squares", 0)
	got := s.end(id)
	require.Equal(t, "failed", got.State)
	require.Equal(t, "the function waits for nothing, also after it was told so", got.Error.Message)
	require.Equal(t, "suspend reject", outcomes(s.attempts(id)))

	// Numbers in a list or a dict come back as floats.
	require.JSONEq(t, `"float"`, s.result(o.dispatch("list_of_int")))

	// Reset works in an async function only: in others it is a failure, and one
	// that the SDK cannot read itself.
	id = o.dispatch("sync_reset", 1)
	waitFor(t, "it was tried again", func() bool { return len(s.attempts(id)) > 1 })
	require.Equal(t, 500, s.attempts(id)[0].Status)

	// An error of something that is not a call, but awaited, cannot be caught.
	id = o.dispatch("catches_asyncio")
	waitFor(t, "it was tried again", func() bool { return len(s.attempts(id)) > 1 })
	require.Contains(t, s.attempts(id)[0].Error, "ConnectionRefusedError: by asyncio")
	require.Zero(t, a.marked("caught"))
	require.Equal(t, `"caught"`, s.result(o.dispatch("catches_in_a_task")))

	// A call that is awaited in the arguments of another one cannot be suspended:
	// the function to call is held by the interpreter, and cannot be pickled.
	got = s.end(o.dispatch("call_in_call", 5))
	require.Equal(t, "rejected", got.Reason)
	require.Equal(t, "TypeError: cannot pickle 'coroutine' object", got.LastError)
}

// What the SDK cannot pass on it answers with 500, as it does for its own faults. No
// such call is tried for ever, and its parent is told what it may be.
func TestErrorThatCannotBeUnpickled(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := startApp(t, s)
	id := a.outside(t).dispatch("told_why", "out_of_stock")
	require.Contains(t, s.result(id), "5 times in a row for this call alone: so dispatch-py answers when it cannot pass on what the function returned or raised")
	tree := s.tree(id)
	require.Len(t, tree, 2)
	require.Equal(t, "poison", tree[1].Reason)
}

func TestResultThatIsTooLarge(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := startApp(t, s)
	id := a.outside(t).dispatch("told_why", "large")
	require.Contains(t, s.result(id), "at most 17000000 are read")
	require.Equal(t, "reject", outcomes(s.attempts(s.tree(id)[1].ID)))
}
