//go:build linux

package compat_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// A function that waits for a call goes on where it was when its app is killed
// and started again.
func TestRestartOfTheApp(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := startApp(t, s)
	id := a.outside(t).dispatch("long_way", "gate")
	waitFor(t, "it waits", func() bool { return a.marked("gate.runs") == 1 && s.task(id).State == "suspended" })

	a.kill()
	a.mark("gate")
	a.start()
	require.Equal(t, "42", s.result(id))
	require.Equal(t, 1, a.marked("gate.begun"), "it was resumed, not begun again")
	require.Equal(t, 2, a.marked("gate.runs"), "the call that was under way was made again")
	require.Equal(t, "suspend suspend suspend success", outcomes(s.attempts(id)))
}

// When the code above a suspended function was changed its state does not fit
// any more: dispatch-py 0.8.0 answers 500, and after three of them the function
// is begun again from its input.
func TestRestartWithChangedCode(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := newApp(t, environment(t, "py08"), s, "-c", "import app, dispatch; dispatch.run_forever()")
	code, err := os.ReadFile(filepath.Join(a.code, "app.py"))
	require.NoError(t, err)
	a.code = t.TempDir()
	file := filepath.Join(a.code, "app.py")
	require.NoError(t, os.WriteFile(file, code, 0o600))
	a.start()
	id := a.outside(t).dispatch("long_way", "gate")
	waitFor(t, "it waits", func() bool { return a.marked("gate.runs") == 1 && s.task(id).State == "suspended" })

	a.kill()
	a.mark("gate")
	require.NoError(t, os.WriteFile(file, append([]byte("# A line.\n"), code...), 0o600))
	a.start()
	require.Equal(t, "42", s.result(id))
	require.Equal(t, 2, a.marked("gate.begun"), "it was begun again")
	attempts := s.attempts(id)
	require.Regexp(t, "^suspend suspend failure failure failure suspend .*success$", outcomes(attempts))
	require.Equal(t, 500, attempts[2].Status)
	require.Contains(t, attempts[4].Error, "it is begun again from its input")
}

// balancer spreads requests over the instances of an app, one after the other,
// as they come.
func balancer(t *testing.T, apps ...*app) string {
	t.Helper()
	var n atomic.Int64
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: apps[int(n.Add(1))%len(apps)].addr})
			r.Out.Host = r.In.Host // which is signed
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	return srv.URL
}

// chainResult is what chain(n) returns.
func chainResult(n int) string { return fmt.Sprint((n + 4) * (n + 5)) }

// Functions go on wherever there is an instance of their app: each of two is
// killed while they run.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	py := environment(t, "py08")
	args := []string{"-c", "import app, dispatch; dispatch.run_forever()"}
	a, b := newApp(t, py, s, args...), newApp(t, py, s, args...)
	a.url = balancer(t, a, b)
	b.url = a.url
	a.env = []string{"DISPATCH_VERIFICATION_KEY=" + s.publicKey()}
	b.env = a.env
	a.start()
	b.start()
	o := b.outside(t)

	var ids []string
	for i := range 40 {
		ids = append(ids, o.dispatch("chain", i))
		switch i {
		case 10:
			a.kill()
		case 20:
			a.start()
			b.kill()
		case 30:
			b.start()
		}
		time.Sleep(10 * time.Millisecond) // so that some are under way at each kill
	}
	for i, id := range ids {
		require.Equal(t, chainResult(i), s.result(id))
	}
}

// No call is lost when the server is killed while functions run, and the app goes
// on: see also [TestRunWhoseAnswerIsLost].
func TestRestartOfTheServer(t *testing.T) {
	t.Parallel()
	databases := map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "sendoff.db") },
		"postgres": func(t *testing.T) string { return testkit.Postgres(t) },
	}
	for name, db := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServerOver(t, db(t))
			a := startApp(t, s)
			o := a.outside(t)
			var ids []string
			for round := range 2 {
				for i := range 10 {
					ids = append(ids, o.dispatch("chain", round*10+i))
				}
				id := ids[round*10]
				waitFor(t, "functions run", func() bool { return len(s.attempts(id)) > 1 })
				s.kill()
				s.start()
			}
			for i, id := range ids {
				require.Equal(t, chainResult(i), s.result(id))
			}
		})
	}
}
