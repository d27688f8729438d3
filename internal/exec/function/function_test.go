package function_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const taskID = "019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00"

var (
	id, _     = task.ParseID(taskID)
	childID   = task.ID{1, 2, 3}
	createdAt = time.Now().Add(-time.Minute).Truncate(time.Microsecond)
)

// newExecutor may call loopback, and finds the resumption it is given.
func newExecutor(t testing.TB, c function.Config, resumption ...store.Resumption) *function.Executor {
	t.Helper()
	var err error
	if c.Dialer == nil {
		c.Dialer, err = egress.New(egress.Config{AllowLoopback: true})
		require.NoError(t, err)
	}
	if c.Resume == nil {
		c.Resume = func(context.Context, task.ID, int64, int, int) (store.Resumption, error) {
			if len(resumption) == 0 {
				return store.Resumption{}, nil
			}
			return resumption[0], nil
		}
	}
	x := function.New(c)
	t.Cleanup(x.Close)
	return x
}

// first is the first attempt of a call.
func first() *store.Claimed {
	return &store.Claimed{
		ID: id, Token: 1, Lane: 7, Kind: task.Function, MaxAttempts: task.Unlimited, Payload: encode(text("hello")),
		CreatedAt: createdAt.UnixMicro(), ExpiresAt: createdAt.Add(time.Hour).UnixMicro(),
	}
}

// later is another attempt of it.
func later(token int64) *store.Claimed {
	c := first()
	c.Token = token
	return c
}

func greet(endpoint string) *task.Spec {
	return &task.Spec{Kind: task.Function, Function: "greet", Endpoint: endpoint, Group: "g"}
}

func text(s string) *anypb.Any {
	a, _ := anypb.New(wrapperspb.String(s))
	return a
}

func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// app is an endpoint that answers each run as it is told, and keeps what it got.
type app struct {
	*httptest.Server
	headers  []http.Header
	bodies   [][]byte
	requests []*sdkv1.RunRequest
}

// serve answers with the responses in turn, the last one again and again.
func serve(t testing.TB, responses ...*sdkv1.RunResponse) *app {
	t.Helper()
	return serveFunc(t, func(w http.ResponseWriter, n int) {
		w.Header().Set("Content-Type", "application/proto")
		_, _ = w.Write(encode(responses[min(n, len(responses)-1)]))
	})
}

// serveHTTP answers with anything.
func serveHTTP(t testing.TB, status int, contentType, body string, header ...string) *app {
	t.Helper()
	return serveFunc(t, func(w http.ResponseWriter, _ int) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func serveFunc(t testing.TB, answer func(w http.ResponseWriter, n int)) *app {
	t.Helper()
	a := &app{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		request := &sdkv1.RunRequest{}
		if proto.Unmarshal(body, request) != nil {
			request = nil
		}
		header := r.Header.Clone()
		header.Set(":method", r.Method)
		header.Set(":path", r.URL.RequestURI())
		header.Set(":authority", r.Host)
		header["Transfer-Encoding"] = r.TransferEncoding
		a.headers, a.bodies, a.requests = append(a.headers, header), append(a.bodies, body), append(a.requests, request)
		answer(w, len(a.requests)-1)
	}))
	t.Cleanup(a.Close)
	return a
}

func exit(status sdkv1.Status, output *anypb.Any, fail *sdkv1.Error) *sdkv1.RunResponse {
	return &sdkv1.RunResponse{Status: status, Directive: &sdkv1.RunResponse_Exit{Exit: &sdkv1.Exit{Result: &sdkv1.CallResult{Output: output, Error: fail}}}}
}

func poll(p *sdkv1.Poll) *sdkv1.RunResponse {
	return &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK, Directive: &sdkv1.RunResponse_Poll{Poll: p}}
}

func tail(status sdkv1.Status, c *sdkv1.Call) *sdkv1.RunResponse {
	return &sdkv1.RunResponse{Status: status, Directive: &sdkv1.RunResponse_Exit{Exit: &sdkv1.Exit{TailCall: c}}}
}

// resultOf is the CallResult that the parent of a call sees.
func resultOf(t testing.TB, o task.Outcome) *sdkv1.CallResult {
	t.Helper()
	require.NotEmpty(t, o.Answer.Body, o.Error)
	r := &sdkv1.CallResult{}
	require.NoError(t, proto.Unmarshal(o.Answer.Body, r))
	require.Equal(t, taskID, r.GetDispatchId())
	return r
}

func header(o task.Outcome, name string) string {
	for _, h := range o.Answer.Header {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

func seconds(n int) *durationpb.Duration { return durationpb.New(time.Duration(n) * time.Second) }

func requireEqual(t testing.TB, want, got proto.Message) {
	t.Helper()
	require.True(t, proto.Equal(want, got), "want %v\ngot  %v", want, got)
}

func TestAFunctionThatReturns(t *testing.T) {
	a := serve(t, exit(sdkv1.Status_STATUS_OK, text("hi"), nil))
	x := newExecutor(t, function.Config{})
	o := x.Execute(t.Context(), first(), greet(a.URL))
	require.Equal(t, task.Success, o.Class, o.Error)
	require.EqualValues(t, 200, o.Code)
	require.Nil(t, o.Progress)
	require.Equal(t, "OK", header(o, "Status"))
	requireEqual(t, &sdkv1.CallResult{DispatchId: taskID, Output: text("hi")}, resultOf(t, o))
	require.Len(t, a.requests, 1)
	requireEqual(t, text("hello"), a.requests[0].GetInput())
}
