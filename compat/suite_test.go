//go:build linux

package compat_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// The tests that dispatch-py 0.8.0 ships pass with Sendoff in place of the
// scheduler in the SDK.
//
// Those tests have the caller and the functions in one process, on two event
// loops: a call must not run before its caller has been told the id, or the SDK
// makes the future on the wrong one. So every call is delayed a little.
func TestTheirTests(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := newApp(t, environment(t, "py08"), s)
	a.env = []string{"DISPATCH_API_URL=" + delayed(t, s), "DISPATCH_ENDPOINT_URL=http://127.0.0.1:1"}
	cmd := a.python("-m", "pytest", "-q", "-p", "sendoff_plugin", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function",
		filepath.Join(a.sdk.dir, "sdist", "tests"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "57 passed", "they ship 52 tests of integrations and 5 of the client")
	require.NotContains(t, string(out), "skipped")
}

// delayed is the address of a server whose calls begin 60 ms after they were
// dispatched.
func delayed(t *testing.T, s *server) string {
	t.Helper()
	to, err := url.Parse(s.url())
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		m := &sdkv1.DispatchRequest{}
		if strings.HasSuffix(r.URL.Path, "DispatchService/Dispatch") && err == nil && proto.Unmarshal(body, m) == nil {
			for _, c := range m.GetCalls() {
				c.Options = &sendoffv1.CallOptions{Delay: durationpb.New(60 * time.Millisecond)}
			}
			body, _ = proto.Marshal(m)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}
