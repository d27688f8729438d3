package function_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/task"
)

func respond(m *sdkv1.RunResponse) string {
	body := encode(m)
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/proto\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
}

// fetch does what the CLI of Dispatch does with a session.
func fetch(t *testing.T, hub *function.Hub, session string) (string, *http.Request, []byte) {
	t.Helper()
	id, wire, err := hub.Next(t.Context(), session)
	require.NoError(t, err)
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return id, r, body
}

func TestARunOverABridge(t *testing.T) {
	x := newExecutor(t, function.Config{Sign: func([]byte) []byte { panic("signed") }})
	hub := x.Hub()
	outcome := make(chan task.Outcome, 1)
	go func() { outcome <- x.Execute(t.Context(), first(), greet("bridge://Abc123")) }()
	id, r, body := fetch(t, hub, "Abc123")
	require.Equal(t, "POST /dispatch.sdk.v1.FunctionService/Run HTTP/1.1", r.Method+" "+r.RequestURI+" "+r.Proto)
	require.Equal(t, http.Header{
		"Content-Type": {"application/proto"}, "Connect-Protocol-Version": {"1"}, "User-Agent": {"sendoff"}, "Content-Length": {fmt.Sprint(len(body))},
		"Traceparent": {spanOf(t, r.Header)},
	}, r.Header)
	request := &sdkv1.RunRequest{}
	require.NoError(t, proto.Unmarshal(body, request))
	require.Equal(t, "greet", request.GetFunction())

	require.ErrorIs(t, hub.Answer("Other", id, strings.NewReader("")), function.ErrNoRequest)
	require.ErrorIs(t, hub.Answer("Abc123", "x", strings.NewReader("")), function.ErrNoRequest)
	require.NoError(t, hub.Answer("Abc123", id, strings.NewReader(respond(exit(sdkv1.Status_STATUS_OK, text("x"), nil)))))
	require.ErrorIs(t, hub.Answer("Abc123", id, strings.NewReader("")), function.ErrNoRequest)
	require.ErrorIs(t, hub.Drop("Abc123", id), function.ErrNoRequest)
	requireEqual(t, text("x"), resultOf(t, <-outcome).GetOutput())
}

func TestABridgeWithoutAnAnswer(t *testing.T) {
	x := newExecutor(t, function.Config{})
	hub := x.Hub()
	run := func() chan task.Outcome {
		outcome := make(chan task.Outcome, 1)
		go func() { outcome <- x.Execute(t.Context(), first(), greet("bridge://s")) }()
		return outcome
	}
	outcome := run()
	id, _, _ := fetch(t, hub, "s")
	require.NoError(t, hub.Drop("s", id))
	o := <-outcome
	require.Equal(t, task.Failure, o.Class)
	require.Equal(t, "TCP_ERROR", header(o, "Status"))

	outcome = run()
	id, _, _ = fetch(t, hub, "s")
	require.Error(t, hub.Answer("s", id, strings.NewReader("nonsense")))
	o = <-outcome
	require.Equal(t, task.Failure, o.Class)
	require.Contains(t, o.Error, "the response that came over the bridge cannot be read")

	outcome = run()
	id, _, _ = fetch(t, hub, "s")
	require.NoError(t, hub.Answer("s", id, strings.NewReader("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n")))
	o = <-outcome
	require.EqualValues(t, 503, o.Code)
}

func TestABridgeThatNobodyServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newExecutor(t, function.Config{})
		c := first()
		c.ExpiresAt = 0 // the time in the bubble is another one
		start := time.Now()
		o := x.Execute(t.Context(), c, greet("bridge://s"))
		require.Equal(t, task.Throttle, o.Class)
		require.Contains(t, o.Error, "is the CLI that serves it running?")
		require.Equal(t, 5*time.Second, time.Since(start))

		// It is not fetched later: by then it runs elsewhere.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _, err := x.Hub().Next(ctx, "s")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestABridgeIsFetchedOnce(t *testing.T) {
	x := newExecutor(t, function.Config{})
	ids := make(chan string, 10)
	var outcomes []chan task.Outcome
	for range 5 {
		go func() {
			for {
				id, _, err := x.Hub().Next(t.Context(), "s")
				if err != nil {
					return
				}
				ids <- id
			}
		}()
		outcome := make(chan task.Outcome, 1)
		outcomes = append(outcomes, outcome)
		go func() { outcome <- x.Execute(t.Context(), first(), greet("bridge://s")) }()
	}
	seen := map[string]bool{}
	for range outcomes {
		id := <-ids
		require.False(t, seen[id])
		seen[id] = true
		require.NoError(t, x.Hub().Answer("s", id, strings.NewReader(respond(done))))
	}
	for _, o := range outcomes {
		require.Equal(t, task.Success, (<-o).Class)
	}
}

func TestSessionNames(t *testing.T) {
	x := newExecutor(t, function.Config{})
	for _, name := range []string{"", "a b", "a.b", strings.Repeat("a", 129)} {
		_, _, err := x.Hub().Next(t.Context(), name)
		require.ErrorIs(t, err, function.ErrBadSession)
		require.ErrorIs(t, x.Hub().Drop(name, "x"), function.ErrNoRequest)
	}
	o := x.Execute(t.Context(), first(), greet("bridge://a.b"))
	require.Equal(t, task.Reject, o.Class)
	require.Contains(t, o.Error, function.ErrBadSession.Error())
}
