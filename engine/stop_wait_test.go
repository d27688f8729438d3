package engine_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// A server that stops ends the contexts of requests that are under way.
func TestWhoWaitsWhileTheServerStopsGetsTheTaskAsItIs(t *testing.T) {
	b := open(t, engine.Config{AllowLoopback: true})
	base, cut := context.WithCancel(context.Background())
	defer cut()
	s := httptest.NewUnstartedServer(b.Handler(engine.HandlerConfig{}))
	s.Config.BaseContext = func(net.Listener) context.Context { return base }
	s.Start()
	defer s.Close()
	res, err := http.Post(s.URL+"/v1/tasks", "", strings.NewReader(`{"id":"x","url":"http://127.0.0.1:1/","delay":"1h"}`))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())

	time.AfterFunc(300*time.Millisecond, cut)
	res, err = http.Get(s.URL + "/v1/tasks/x?wait=60s")
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, string(body))
	var got struct{ State string }
	require.NoError(t, json.Unmarshal(body, &got))
	require.Equal(t, "scheduled", got.State)

	res, err = http.Get(s.URL + "/v1/tasks/x?wait=60s") // it has not even begun to wait
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "1", res.Header.Get("Retry-After"))
}
