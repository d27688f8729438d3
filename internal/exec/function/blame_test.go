package function_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// other is a call of another task.
func other(crashes int32) *store.Claimed {
	c := first()
	c.ID[0]++
	c.Crashes = crashes
	return c
}

// A call that ends its app is blamed each time that nothing else was under way. The
// count comes from the store, so that another node goes on with it.
func TestACallThatEndsItsApp(t *testing.T) {
	hangup := listen(t, func(c net.Conn) { c.Close() })
	for crashes := range int32(task.BlameBudget) {
		x := newExecutor(t, function.Config{}) // as after a restart of the server
		c := first()
		c.Crashes = crashes
		o := x.Execute(t.Context(), c, greet(hangup))
		require.Equal(t, task.Failure, o.Class)
		require.Equal(t, task.Guilty, o.Blame)
		require.Contains(t, o.Error, "the connection was closed before the end of the answer")
		require.Equal(t, 20, x.Stats()[0].Limit, "the load of the app is not to blame")
		if crashes > 0 {
			require.Contains(t, o.Error, "this call may be what ends the app that serves it")
		}
		if crashes == task.BlameBudget-1 {
			require.Contains(t, o.Error, "5 times in a row")
			require.Contains(t, o.Error, "it is given up")
			require.Contains(t, resultOf(t, o).GetError().GetMessage(), "it is given up", "its parent is told too")
		}
	}
}

// When an app ends, all that it had under way breaks. Which of them did it is not
// known, until the same call runs with nothing beside it.
func TestOnlyACallThatIsAloneIsBlamed(t *testing.T) {
	arrived, leave := make(chan struct{}, 2), make(chan struct{})
	together := listen(t, func(c net.Conn) {
		arrived <- struct{}{}
		<-leave
		c.Close()
	})
	x := newExecutor(t, function.Config{})
	ended := make(chan task.Outcome, 2)
	for _, c := range []*store.Claimed{first(), other(0)} {
		go func() { ended <- x.Execute(t.Context(), c, greet(together)) }()
	}
	<-arrived
	<-arrived
	close(leave)
	for range 2 {
		o := <-ended
		require.Equal(t, task.Failure, o.Class, o.Error)
		require.Equal(t, task.NoBlame, o.Blame, "two calls broke at once: neither is known to be the cause")
	}
	require.Equal(t, task.Guilty, x.Execute(t.Context(), first(), greet(together)).Blame)
}

// A call under suspicion runs with nothing beside it, so that the next death has one
// possible cause.
func TestASuspectRunsApart(t *testing.T) {
	entered, leave := make(chan struct{}, 2), make(chan struct{})
	a := serveFuncAtOnce(t, func(w http.ResponseWriter) {
		entered <- struct{}{}
		<-leave
		w.Header().Set("Content-Type", "application/proto")
		_, _ = w.Write(encode(done))
	})
	x := newExecutor(t, function.Config{})
	ended := make(chan task.Outcome, 2)
	go func() { c := first(); c.Crashes = 2; ended <- x.Execute(t.Context(), c, greet(a)) }()
	<-entered
	o := x.Execute(t.Context(), other(0), greet(a))
	require.Equal(t, task.Throttle, o.Class, "it ran beside a suspect")
	require.Contains(t, o.Error, "busy")
	close(leave)
	require.Equal(t, task.Success, (<-ended).Class)
	require.Equal(t, task.Success, x.Execute(t.Context(), other(0), greet(a)).Class)
}

func serveFuncAtOnce(t *testing.T, answer func(http.ResponseWriter)) string {
	t.Helper()
	url, open := closedPort(t)
	open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	return url
}

func TestAnAnswerClearsACall(t *testing.T) {
	a := serve(t, exit(sdkv1.Status_STATUS_TEMPORARY_ERROR, nil, &sdkv1.Error{Type: "E", Message: "m"}))
	c := first()
	c.Crashes = 4
	o := newExecutor(t, function.Config{}).Execute(t.Context(), c, greet(a.URL))
	require.Equal(t, []any{task.Failure, task.Cleared}, []any{o.Class, o.Blame})
}

// A plain 500 is what dispatch-py says when it cannot pass on what a function
// returned or raised. When all calls get it, the app is out of order.
func TestPlain500sOfOneCall(t *testing.T) {
	a := serveHTTP(t, http.StatusInternalServerError, "text/plain", "Internal Server Error")
	x := newExecutor(t, function.Config{})
	c := first()
	c.LastCode, c.Failures, c.Crashes = 500, 4, 4
	o := x.Execute(t.Context(), c, greet(a.URL))
	require.Equal(t, []any{task.Failure, task.Guilty}, []any{o.Class, o.Blame})
	require.Contains(t, o.Error, "5 times in a row for this call alone: so dispatch-py answers")
	require.Equal(t, 20, x.Stats()[0].Limit, "a call that gets it again tells of itself")

	require.Equal(t, task.NoBlame, x.Execute(t.Context(), other(0), greet(a.URL)).Blame)
	o = x.Execute(t.Context(), c, greet(a.URL))
	require.Equal(t, task.NoBlame, o.Blame, "several calls get it: the app is out of order")
	require.NotContains(t, o.Error, "dispatch-py")
}

func TestAResultThatIsTooLargeEndsTheCall(t *testing.T) {
	a := serveHTTP(t, 200, "application/proto", string(make([]byte, 2000)))
	o := newExecutor(t, function.Config{MaxAnswer: 1000}).Execute(t.Context(), first(), greet(a.URL))
	require.Equal(t, task.Reject, o.Class)
	require.Equal(t, "INVALID_RESPONSE", resultOf(t, o).GetError().GetType())
	require.Contains(t, o.Error, "the answer has 2000 bytes: at most 1000 are read")
}

// What does not go away by beginning again is no matter of the state.
func TestACallIsNotBegunAgainForEver(t *testing.T) {
	a := serveHTTP(t, http.StatusInternalServerError, "text/plain", "Internal Server Error")
	resumption := store.Resumption{Writer: 1, State: []byte{1}}
	x := newExecutor(t, function.Config{}, resumption)
	restarts := 0
	for range 5 {
		c := later(9)
		c.LastCode, c.Failures = 500, 2
		if o := x.Execute(t.Context(), c, greet(a.URL)); o.Progress != nil && o.Progress.Restart {
			restarts++
		}
	}
	require.Equal(t, 2, restarts)
}
