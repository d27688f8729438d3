package function_test

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/task"
)

// closedPort is an address where nobody listens, and a way to listen there.
func closedPort(t *testing.T) (url string, open func(http.Handler)) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	return "http://" + addr, func(h http.Handler) {
		l, err := net.Listen("tcp4", addr)
		require.NoError(t, err)
		s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
		go func() { _ = s.Serve(l) }()
		t.Cleanup(func() { s.Close() })
	}
}

func TestAnOutageLeavesTheLimitAsItWas(t *testing.T) {
	now := time.Now()
	x := newExecutor(t, function.Config{Now: func() time.Time { return now }})
	url, _ := closedPort(t)
	var pauses []time.Duration
	for range 5 {
		o := x.Execute(t.Context(), first(), greet(url))
		require.Equal(t, task.Failure, o.Class)
		require.Contains(t, o.Error, "connection refused")
		s := x.Stats()[0]
		require.Equal(t, 20, s.Limit, "a refused connection says nothing about how many runs the app can take")
		pauses = append(pauses, s.Paused.Sub(now))
		o = x.Execute(t.Context(), first(), greet(url))
		require.Equal(t, task.Throttle, o.Class, "the others spend no attempt while the app is away")
		require.Contains(t, o.Error, "left alone for a while: connection refused")
		require.Equal(t, task.PutOff, o.Why)
		now = s.Paused
	}
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}, pauses)
}

// The first run at an app that is back may take minutes. The others need not wait
// for its end to learn that there is somebody.
func TestAnAppThatIsBackTakesRunsBeforeTheFirstHasEnded(t *testing.T) {
	now := time.Now()
	x := newExecutor(t, function.Config{Now: func() time.Time { return now }})
	url, open := closedPort(t)
	require.Equal(t, task.Failure, x.Execute(t.Context(), first(), greet(url)).Class)
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-leave
		w.Header().Set("Content-Type", "application/proto")
		_, _ = w.Write(encode(done))
	}))
	now = now.Add(time.Second)
	ended := make(chan task.Outcome, 2)
	for range 2 {
		go func() { ended <- x.Execute(t.Context(), first(), greet(url)) }()
		select {
		case <-entered:
		case o := <-ended:
			require.Fail(t, "the run was put off", o.Error)
		}
	}
	close(leave)
	for range 2 {
		require.Equal(t, task.Success, (<-ended).Class)
	}
}

func TestThoseThatArePutOffDoNotComeBackTogether(t *testing.T) {
	now := time.Now()
	x := newExecutor(t, function.Config{Now: func() time.Time { return now }})
	url, _ := closedPort(t)
	x.Execute(t.Context(), first(), greet(url))
	var last time.Duration
	for range 2001 {
		last = x.Execute(t.Context(), first(), greet(url)).RetryAfter
	}
	require.GreaterOrEqual(t, last, 11*time.Second, "2,000 calls would come back within one or two seconds")
}

func TestErrorsOfTheFunctionSayNothingAboutItsHost(t *testing.T) {
	for status := range sdkv1.Status_name {
		a := serve(t, exit(sdkv1.Status(status), nil, &sdkv1.Error{Type: "E", Message: "m"}))
		x := newExecutor(t, function.Config{})
		for range 10 {
			x.Execute(t.Context(), first(), greet(a.URL))
		}
		require.Equal(t, 20, x.Stats()[0].Limit, "after status %s", sdkv1.Status(status))
	}
}

func TestTheLimitHasAFloor(t *testing.T) {
	a := serveHTTP(t, http.StatusServiceUnavailable, "text/plain", "overloaded")
	x := newExecutor(t, function.Config{MinPerEndpoint: 8})
	var limits []int
	for range 4 {
		x.Execute(t.Context(), first(), greet(a.URL))
		limits = append(limits, x.Stats()[0].Limit)
	}
	require.Equal(t, []int{10, 8, 8, 8}, limits)
}
