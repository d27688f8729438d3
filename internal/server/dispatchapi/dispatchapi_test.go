package dispatchapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pythonv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/python/v1"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1/sdkv1connect"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/gen/sendoff/v1/sendoffv1connect"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/dispatchapi"
	"github.com/sendoff-dev/sendoff/internal/server/guard"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rooms is what the door sees of the engine.
type rooms struct {
	subs    []accept.Submission
	atomic  bool
	results func(subs []accept.Submission) ([]accept.Result, error)

	task     operate.Task
	attempts []store.AttemptRow
	waited   time.Duration
	err      error

	checkpoints []store.Checkpoint
	signal      []string
	received    *sendoffv1.ReceiveRequest

	next    func(ctx context.Context) (string, []byte, error)
	answers map[string]string
	dropped []string
}

func id(n int) task.ID { return task.ID{byte(n), 1} }

func (r *rooms) Accept(_ context.Context, subs []accept.Submission, atomic bool) ([]accept.Result, error) {
	r.subs, r.atomic = subs, atomic
	if r.results != nil {
		return r.results(subs)
	}
	out := make([]accept.Result, len(subs))
	for i := range out {
		out[i] = accept.Result{Status: store.Created, ID: id(i + 1)}
	}
	return out, nil
}

func (r *rooms) Wait(_ context.Context, _ string, atMost time.Duration) (operate.Task, error) {
	r.waited = atMost
	return r.task, r.err
}

func (r *rooms) Result(context.Context, *operate.Task) ([]byte, error) {
	if n := len(r.attempts); n > 0 {
		return r.attempts[n-1].Answer.Body, r.err
	}
	return nil, r.err
}

func (r *rooms) Append(_ context.Context, cs []store.Checkpoint) ([]error, error) {
	r.checkpoints = append(r.checkpoints, cs...)
	return []error{r.err}, nil
}

func (r *rooms) Signal(_ context.Context, id, name string, value []byte) error {
	r.signal = []string{id, name, string(value)}
	return r.err
}

func (r *rooms) Receive(_ context.Context, m *sendoffv1.ReceiveRequest) (*sendoffv1.ReceiveResponse, error) {
	r.received = m
	return &sendoffv1.ReceiveResponse{Sequence: m.GetAfter() + 1}, r.err
}

func (r *rooms) Next(ctx context.Context, session string) (string, []byte, error) { return r.next(ctx) }

type goneError struct{ error }

func (goneError) Gone() bool { return true }

func (r *rooms) Answer(session, id string, wire io.Reader) error {
	if id != "known" {
		return goneError{errors.New("no such request")}
	}
	b, err := io.ReadAll(wire)
	r.answers = map[string]string{session: string(b)}
	if string(b) == "nonsense" {
		return errors.New("cannot be read")
	}
	return err
}

func (r *rooms) Drop(session, id string) error {
	if id != "known" {
		return goneError{errors.New("no such request")}
	}
	r.dropped = append(r.dropped, session)
	return nil
}

const pemKey = "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"

// open is a server with the door, over HTTP/1.1 and h2c.
func open(t *testing.T, r *rooms) *httptest.Server {
	t.Helper()
	mux := doors()
	dispatchapi.Mount(mux, dispatchapi.Config{
		Submit: r, Tasks: r, Signals: r, Journals: r, Receive: r.Receive, Bridge: r, PublicKeyPEM: func() string { return pemKey },
		Embedded: func(name string) bool { return name == "here" },
	})
	return listen(t, guard.Wrap(mux, guard.Config{}))
}

// doors is a mux that refuses in the words of this door.
func doors() *route.Mux {
	return route.NewMux(route.Config{Refuse: func(w http.ResponseWriter, r *http.Request, p *problem.Problem) { dispatchapi.Refuse(w, r, p) }})
}

func listen(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// http2 speaks h2c with prior knowledge, as dispatch-py up to 0.7.1 does.
func http2(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func text(s string) *anypb.Any {
	a, _ := anypb.New(wrapperspb.String(s))
	return a
}

func encode(m proto.Message) []byte {
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return b
}

// greet is the call of dispatch-go that was captured for the facts.
func greet() *sdkv1.Call {
	return &sdkv1.Call{
		Endpoint: "http://127.0.0.1:9999", Function: "greet", Input: text("hello"), Version: "v7",
		Expiration: durationpb.New(90 * time.Second), CorrelationId: 1 << 63,
	}
}

func post(t *testing.T, url, contentType, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", contentType)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return do(t, r)
}

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	response, err := (&http.Client{Transport: transport}).Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response, string(b)
}

const dispatch = "/dispatch.sdk.v1.DispatchService/Dispatch"

func TestDispatchAsTheSDKsSpeakIt(t *testing.T) {
	r := &rooms{}
	s := open(t, r)
	response, body := post(t, s.URL+dispatch, "application/proto", string(encode(&sdkv1.DispatchRequest{Calls: []*sdkv1.Call{greet()}})),
		"Connect-Protocol-Version", "1", "Connect-Timeout-Ms", "5000", "Authorization", "Bearer x")
	require.Equal(t, 200, response.StatusCode, body)
	require.Equal(t, "application/proto", response.Header.Get("Content-Type"))
	got := &sdkv1.DispatchResponse{}
	require.NoError(t, proto.Unmarshal([]byte(body), got))
	require.Equal(t, []string{id(1).String()}, got.GetDispatchIds())

	require.True(t, r.atomic)
	sub := r.subs[0]
	require.WithinDuration(t, time.Now().Add(90*time.Second), sub.ExpiresAt, 5*time.Second)
	require.Equal(t, encode(text("hello")), sub.Payload)
	require.Equal(t, task.Spec{Kind: task.Function, Function: "greet", Endpoint: "http://127.0.0.1:9999", Version: "v7"}, sub.Spec)
	require.Empty(t, sub.IdempotencyKey)

	response, _ = do(t, must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+dispatch, nil)))
	require.Equal(t, 405, response.StatusCode)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestDispatchInJSON(t *testing.T) {
	r := &rooms{}
	s := open(t, r)
	response, body := post(t, s.URL+dispatch, "application/json", `{"calls":[
		{"endpoint":"http://a","function":"f","input":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":"hi"}},
		{"endpoint":"http://a","function":"f","input":{"@type":"type.googleapis.com/google.protobuf.Value","value":{"a":[1,null]}}},
		{"endpoint":"http://a","function":"f","input":{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}},
		{"endpoint":"bridge://Session","function":"f","input":{"@type":"buf.build/stealthrocket/dispatch-proto/dispatch.sdk.python.v1.Pickled","pickledValue":"gAQ="}}]}`)
	require.Equal(t, 200, response.StatusCode, body)
	require.JSONEq(t, `{"dispatchIds":["`+id(1).String()+`","`+id(2).String()+`","`+id(3).String()+`","`+id(4).String()+`"]}`, body)
	require.Len(t, r.subs, 4)
	pickled := &anypb.Any{}
	require.NoError(t, proto.Unmarshal(r.subs[3].Payload, pickled))
	require.Equal(t, "buf.build/stealthrocket/dispatch-proto/dispatch.sdk.python.v1.Pickled", pickled.GetTypeUrl())
	require.Equal(t, encode(&pythonv1.Pickled{PickledValue: []byte("\x80\x04")}), pickled.GetValue())
	require.True(t, r.subs[3].ExpiresAt.IsZero()) // accept fills in the default
}

func TestDispatchByAllProtocols(t *testing.T) {
	s := open(t, &rooms{})
	plain := &http.Transport{}
	t.Cleanup(plain.CloseIdleConnections)
	for name, client := range map[string]sdkv1connect.DispatchServiceClient{
		"connect":               sdkv1connect.NewDispatchServiceClient(&http.Client{Transport: plain}, s.URL),
		"connect, packed":       sdkv1connect.NewDispatchServiceClient(&http.Client{Transport: plain}, s.URL, connect.WithSendGzip()),
		"connect over h2c":      sdkv1connect.NewDispatchServiceClient(http2(t), s.URL),
		"gRPC over h2c":         sdkv1connect.NewDispatchServiceClient(http2(t), s.URL, connect.WithGRPC()),
		"gRPC over h2c, packed": sdkv1connect.NewDispatchServiceClient(http2(t), s.URL, connect.WithGRPC(), connect.WithSendGzip()),
		"gRPC-Web":              sdkv1connect.NewDispatchServiceClient(&http.Client{Transport: plain}, s.URL, connect.WithGRPCWeb()),
	} {
		got, err := client.Dispatch(t.Context(), &sdkv1.DispatchRequest{Calls: []*sdkv1.Call{greet(), greet()}})
		require.NoError(t, err, name)
		require.Equal(t, []string{id(1).String(), id(2).String()}, got.GetDispatchIds(), name)
		_, err = client.Dispatch(t.Context(), &sdkv1.DispatchRequest{Calls: []*sdkv1.Call{{}}})
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), name)
		require.ErrorContains(t, err, "calls[0].endpoint: is missing", name)
	}
}

func TestDispatchRules(t *testing.T) {
	r := &rooms{}
	s := open(t, r)
	client := sdkv1connect.NewDispatchServiceClient(http2(t), s.URL)
	for want, change := range map[string]func(*sdkv1.Call){
		"calls[1].endpoint: is missing":                   func(c *sdkv1.Call) { c.Endpoint = "" },
		"calls[1].endpoint: has scheme \"ftp\"":           func(c *sdkv1.Call) { c.Endpoint = "ftp://x" },
		"calls[1].endpoint: is not the URL":               func(c *sdkv1.Call) { c.Endpoint = "nonsense" },
		"calls[1].endpoint: has scheme \"embedded\"":      func(c *sdkv1.Call) { c.Endpoint = "embedded://there" },
		"calls[1].endpoint: AWS Lambda functions are not": func(c *sdkv1.Call) { c.Endpoint = "arn:aws:lambda:eu-west-1:1:function:f" },
		"calls[1].function: is missing":                   func(c *sdkv1.Call) { c.Function = "" },
		"calls[1].function: is \"double-repeat\"":         func(c *sdkv1.Call) { c.Function = "double-repeat" },
		"calls[1].expiration: is negative":                func(c *sdkv1.Call) { c.Expiration = durationpb.New(-1) },
		"calls[1].expiration: is not a duration":          func(c *sdkv1.Call) { c.Expiration = &durationpb.Duration{Nanos: -1, Seconds: 1} },
		"calls[1].expiration: is 20000h0m0s: at most":     func(c *sdkv1.Call) { c.Expiration = durationpb.New(20000 * time.Hour) },
		"calls[1].options.retry.max_attempts: is negative": func(c *sdkv1.Call) {
			c.Options = &sendoffv1.CallOptions{Retry: &sendoffv1.RetryPolicy{MaxAttempts: -1}}
		},
		"calls[1].options.retry.jitter: is 2: want 0 to 1": func(c *sdkv1.Call) {
			c.Options = &sendoffv1.CallOptions{Retry: &sendoffv1.RetryPolicy{Jitter: proto.Float64(2)}}
		},
		"calls[1].options.priority: is 10: want 0 (first) to 9": func(c *sdkv1.Call) { c.Options = &sendoffv1.CallOptions{Priority: proto.Int32(10)} },
	} {
		bad := greet()
		change(bad)
		_, err := client.Dispatch(t.Context(), &sdkv1.DispatchRequest{Calls: []*sdkv1.Call{greet(), bad}})
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
		require.ErrorContains(t, err, want)
		require.Nil(t, r.subs) // none was made
	}
	for _, fine := range []func(*sdkv1.Call){
		func(c *sdkv1.Call) { c.Function = "K.deco.<locals>.inner" }, func(c *sdkv1.Call) { c.Endpoint = "embedded://here" },
		func(c *sdkv1.Call) { c.Endpoint = "bridge://5K1u8" }, func(c *sdkv1.Call) { c.Endpoint = "https://a/b/" }, func(c *sdkv1.Call) { c.Input = nil },
	} {
		c := greet()
		fine(c)
		_, err := client.Dispatch(t.Context(), &sdkv1.DispatchRequest{Calls: []*sdkv1.Call{c}})
		require.NoError(t, err)
	}
	many := make([]*sdkv1.Call, task.MaxBatch+1)
	for i := range many {
		many[i] = greet()
	}
	_, err := client.Dispatch(t.Context(), &sdkv1.DispatchRequest{Calls: many})
	require.ErrorContains(t, err, "calls: has more than 1000 entries: at most that many are allowed")
	got, err := client.Dispatch(t.Context(), &sdkv1.DispatchRequest{})
	require.NoError(t, err)
	require.Empty(t, got.GetDispatchIds())
}

func TestDispatchErrors(t *testing.T) {
	r := &rooms{}
	s := open(t, r)
	client := sdkv1connect.NewDispatchServiceClient(http2(t), s.URL)
	for _, tt := range []struct {
		err  error
		code connect.Code
		text string
	}{
		{accept.ErrBusy, connect.CodeUnavailable, "too many submissions"},
		{accept.ErrNoAccept, connect.CodeUnavailable, "does not accept"},
		{store.ErrTooManyQueues, connect.CodeResourceExhausted, "too many queues"},
		{fmt.Errorf("%w: password", store.ErrFull), connect.CodeUnavailable, "the disk of the database is full"},
		{errors.New("pq: password"), connect.CodeUnavailable, "the database does not answer"},
		{task.Invalid{{Field: "tasks[1].queue", Message: "is bad"}}, connect.CodeInvalidArgument, "calls[1].queue: is bad"},
		{task.Invalid{{Field: "queue", Message: "is bad"}}, connect.CodeInvalidArgument, "calls[0].queue: is bad"},
	} {
		r.results = func([]accept.Submission) ([]accept.Result, error) { return nil, tt.err }
		_, err := client.Dispatch(t.Context(), &sdkv1.DispatchRequest{Calls: []*sdkv1.Call{greet()}})
		require.Equal(t, tt.code, connect.CodeOf(err))
		require.ErrorContains(t, err, tt.text)
		require.NotContains(t, err.Error(), "password")
	}
	r.results = func([]accept.Submission) ([]accept.Result, error) {
		return []accept.Result{{Status: store.Skipped}, {Status: store.Mismatch}}, nil
	}
	_, err := client.Dispatch(t.Context(), &sdkv1.DispatchRequest{Calls: []*sdkv1.Call{greet(), greet()}})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	require.ErrorContains(t, err, "this Idempotency-Key was used for another request")
}

func TestIdempotencyKey(t *testing.T) {
	r := &rooms{}
	s := open(t, r)
	send := func(calls ...*sdkv1.Call) []accept.Submission {
		response, body := post(t, s.URL+dispatch, "application/proto", string(encode(&sdkv1.DispatchRequest{Calls: calls})), "Idempotency-Key", "k")
		require.Equal(t, 200, response.StatusCode, body)
		return r.subs
	}
	one := send(greet())
	require.Equal(t, "k", one[0].IdempotencyKey)
	require.Equal(t, one[0].Fingerprint, send(greet())[0].Fingerprint)
	other := greet()
	other.Function = "other"
	require.NotEqual(t, one[0].Fingerprint, send(other)[0].Fingerprint)
	two := send(greet(), greet())
	require.Equal(t, []string{"k", "k"}, []string{two[0].IdempotencyKey, two[1].IdempotencyKey})
	require.Equal(t, []int{1, 2}, []int{two[0].Item, two[1].Item})
	require.NotEqual(t, one[0].Fingerprint, two[0].Fingerprint)
}

func TestBodiesAreBounded(t *testing.T) {
	r := &rooms{}
	s := open(t, r)
	call := greet()
	call.Input = text(strings.Repeat("x", 17<<20))
	body := string(encode(&sdkv1.DispatchRequest{Calls: []*sdkv1.Call{call}}))
	response, answer := post(t, s.URL+dispatch, "application/proto", body)
	require.Equal(t, 429, response.StatusCode)
	require.Contains(t, answer, `"code":"resource_exhausted"`)

	// A short body that unpacks to a long one is refused as well.
	client := sdkv1connect.NewDispatchServiceClient(http2(t), s.URL, connect.WithSendGzip())
	_, err := client.Dispatch(t.Context(), &sdkv1.DispatchRequest{Calls: []*sdkv1.Call{call}})
	require.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err))
	client = sdkv1connect.NewDispatchServiceClient(http2(t), s.URL, connect.WithGRPC(), connect.WithSendGzip())
	_, err = client.Dispatch(t.Context(), &sdkv1.DispatchRequest{Calls: []*sdkv1.Call{call}})
	require.Equal(t, connect.CodeResourceExhausted, connect.CodeOf(err))
	require.Nil(t, r.subs)

	for _, hostile := range []string{"\xff", "\x0a\xff\xff\xff\xff\x7f", "{"} {
		response, answer = post(t, s.URL+dispatch, "application/proto", hostile)
		require.Equal(t, 400, response.StatusCode, answer)
	}
	response, _ = post(t, s.URL+dispatch, "text/plain", "hello")
	require.Equal(t, 415, response.StatusCode)
}

// Who has no key is told so in the words of the protocol that he speaks, before
// anything is decoded.
func TestUnauthenticated(t *testing.T) {
	mux := doors()
	dispatchapi.Mount(mux, dispatchapi.Config{})
	s := listen(t, mux)
	response, body := post(t, s.URL+dispatch, "application/proto", "nonsense")
	require.Equal(t, 401, response.StatusCode)
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	require.JSONEq(t, `{"code":"unauthenticated","message":"send a valid API key: Authorization: Bearer KEY"}`, body)
	response, _ = do(t, must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/sessions/x", nil)))
	require.Equal(t, 401, response.StatusCode)
	for _, options := range [][]connect.ClientOption{nil, {connect.WithGRPC()}, {connect.WithGRPCWeb()}} {
		_, err := sdkv1connect.NewDispatchServiceClient(http2(t), s.URL, options...).Dispatch(t.Context(), &sdkv1.DispatchRequest{})
		require.Equal(t, connect.CodeUnauthenticated, connect.CodeOf(err), err)
	}
	for path, ours := range map[string]bool{
		dispatch: true, "/dispatch.v1.SigningKeyService/ListSigningKeys": true, "/sendoff.v1.FunctionExtension/Wait": true, "/sessions/x": true,
		"/v1/tasks": false, "/task": false, "/": false,
	} {
		w := httptest.NewRecorder()
		require.Equal(t, ours, dispatchapi.Refuse(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil), problem.New(401, "", "")), path)
		require.Equal(t, ours, w.Code == 401)
	}
}

func TestSigningKeys(t *testing.T) {
	s := open(t, &rooms{})
	_, body := post(t, s.URL+"/dispatch.v1.SigningKeyService/ListSigningKeys", "application/json", "{}")
	key := `{"signingKeyId":"default","asymmetricKey":{"publicKey":"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n"}}`
	require.JSONEq(t, `{"keys":[`+key+`]}`, body)
	_, body = post(t, s.URL+"/dispatch.v1.SigningKeyService/CreateSigningKey", "application/json", "{}")
	require.JSONEq(t, `{"key":`+key+`}`, body)

	mux := doors()
	dispatchapi.Mount(mux, dispatchapi.Config{})
	s = listen(t, guard.Wrap(mux, guard.Config{}))
	_, body = post(t, s.URL+"/dispatch.v1.SigningKeyService/ListSigningKeys", "application/json", "{}")
	require.JSONEq(t, `{}`, body)
	_, body = post(t, s.URL+"/dispatch.v1.SigningKeyService/CreateSigningKey", "application/json", "{}")
	require.Contains(t, body, "failed_precondition")
}

func TestBridgeSessions(t *testing.T) {
	r := &rooms{}
	s := open(t, r)
	r.next = func(context.Context) (string, []byte, error) { return "known", []byte("POST / HTTP/1.1\r\n\r\n"), nil }
	get := func(header ...string) (*http.Response, string) {
		request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/sessions/Abc", nil))
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		return do(t, request)
	}
	response, body := get("Request-Timeout", "30")
	require.Equal(t, 200, response.StatusCode)
	require.Equal(t, "known", response.Header.Get("X-Request-Id"))
	require.Equal(t, "POST / HTTP/1.1\r\n\r\n", body)

	var left time.Duration
	r.next = func(ctx context.Context) (string, []byte, error) {
		at, _ := ctx.Deadline()
		left = time.Until(at)
		if left > 10*time.Second {
			return "", nil, errors.New("want a session name")
		}
		<-ctx.Done()
		return "", nil, ctx.Err()
	}
	response, _ = get("Request-Timeout", "30")
	require.InDelta(t, 25, left.Seconds(), 1) // the CLI gives up after 30 s
	require.Equal(t, 400, response.StatusCode)
	response, _ = get("Request-Timeout", "1")
	require.Equal(t, 504, response.StatusCode)

	answer := func(id, body string) int {
		response, _ := post(t, s.URL+"/sessions/Abc", "", body, "X-Request-ID", id)
		return response.StatusCode
	}
	require.Equal(t, 202, answer("known", "HTTP/1.1 200 OK\r\n\r\n"))
	require.Equal(t, map[string]string{"Abc": "HTTP/1.1 200 OK\r\n\r\n"}, r.answers)
	require.Equal(t, 404, answer("unknown", "x"))
	require.Equal(t, 400, answer("", "x"))
	require.Equal(t, 400, answer("known", "nonsense"))
	require.Equal(t, 400, answer("known", strings.Repeat("x", 19<<20)))

	for id, want := range map[string]int{"known": 200, "unknown": 404} {
		request := must(http.NewRequestWithContext(t.Context(), http.MethodDelete, s.URL+"/sessions/Abc", nil))
		request.Header.Set("X-Request-ID", id)
		response, _ := do(t, request)
		require.Equal(t, want, response.StatusCode)
	}
	require.Equal(t, []string{"Abc"}, r.dropped)
}

// A client that closes its connection when it has read the run keeps the run.
func TestASessionWithoutKeepAlive(t *testing.T) {
	wire := []byte(strings.Repeat("x", 100_000))
	r := &rooms{next: func(context.Context) (string, []byte, error) { return "known", wire, nil }}
	s := open(t, r)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 100 {
		response, err := client.Do(must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/sessions/Abc", nil)))
		require.NoError(t, err)
		b, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Len(t, b, len(wire))
		response.Body.Close()
	}
	s.Close() // waits for the handlers
	require.Empty(t, r.dropped)
}

func TestCheckpoint(t *testing.T) {
	r := &rooms{}
	client := sendoffv1connect.NewFunctionExtensionClient(http2(t), open(t, r).URL)
	m := &sendoffv1.CheckpointRequest{DispatchId: id(1).String(), Token: 7, Append: &sendoffv1.Append{Offset: 3, Segment: []byte("x")}}
	_, err := client.Checkpoint(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, []store.Checkpoint{{ID: id(1), Token: 7, Segment: task.Segment{Offset: 3, Bytes: []byte("x")}}}, r.checkpoints)
	for want, e := range map[connect.Code]error{
		connect.CodeAborted: store.ErrLeaseLost, connect.CodeFailedPrecondition: store.ErrBadValue, connect.CodeUnavailable: errors.New("away"),
	} {
		r.err = e
		_, err = client.Checkpoint(t.Context(), m)
		require.Equal(t, want, connect.CodeOf(err))
	}
	for _, bad := range []*sendoffv1.CheckpointRequest{
		{}, {DispatchId: id(1).String()}, {DispatchId: id(1).String(), Append: &sendoffv1.Append{}},
		{DispatchId: id(1).String(), Append: &sendoffv1.Append{Offset: -1, Segment: []byte("x")}},
	} {
		_, err = client.Checkpoint(t.Context(), bad)
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	}
}

func TestReceive(t *testing.T) {
	r := &rooms{}
	client := sendoffv1connect.NewFunctionExtensionClient(http2(t), open(t, r).URL)
	m := &sendoffv1.ReceiveRequest{DispatchId: id(1).String(), Token: 7, After: 3}
	got, err := client.Receive(t.Context(), m)
	require.NoError(t, err)
	require.EqualValues(t, 4, got.GetSequence())
	require.EqualValues(t, 7, r.received.GetToken())
	for want, e := range map[connect.Code]error{connect.CodeAborted: store.ErrLeaseLost, connect.CodeUnavailable: errors.New("away")} {
		r.err = e
		_, err = client.Receive(t.Context(), m)
		require.Equal(t, want, connect.CodeOf(err))
	}
	for _, bad := range []*sendoffv1.ReceiveRequest{{}, {DispatchId: id(1).String(), After: -1}} {
		_, err = client.Receive(t.Context(), bad)
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	}
}

func TestStart(t *testing.T) {
	r := &rooms{}
	client := sendoffv1connect.NewFunctionExtensionClient(http2(t), open(t, r).URL)
	m := &sendoffv1.StartRequest{
		Endpoint: "http://a", Function: "f", Input: text("x"), Id: "order-7", IdempotencyKey: "k",
		Options: &sendoffv1.CallOptions{Queue: "q", Delay: durationpb.New(time.Minute), Timeout: durationpb.New(time.Second), Labels: map[string]string{"a": "b"}},
	}
	got, err := client.Start(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, id(1).String(), got.GetDispatchId())
	require.False(t, got.GetExisting())
	sub := r.subs[0]
	require.Equal(t, "order-7", sub.Spec.ClientID)
	require.Equal(t, "k", sub.IdempotencyKey)
	require.NotZero(t, sub.Fingerprint)
	require.Equal(t, "q", sub.Queue)
	require.Equal(t, time.Minute, sub.Delay)
	require.Equal(t, time.Second, sub.Spec.Timeout)
	require.Equal(t, map[string]string{"a": "b"}, sub.Spec.Labels)

	for _, res := range []accept.Result{
		{Status: store.Existing, ID: id(9), Key: store.IdempotencyKey}, {Status: store.Conflict, ID: id(9), Key: store.ClientIDKey},
	} {
		r.results = func([]accept.Submission) ([]accept.Result, error) { return []accept.Result{res}, nil }
		got, err = client.Start(t.Context(), m)
		require.NoError(t, err)
		require.Equal(t, id(9).String(), got.GetDispatchId())
		require.True(t, got.GetExisting())
	}
	_, err = client.Start(t.Context(), &sendoffv1.StartRequest{Endpoint: "http://a"})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	require.ErrorContains(t, err, "function: is missing")
}

func ended(state task.State, reason task.Reason, lastError string) operate.Task {
	return operate.Task{Row: store.Row{ID: id(1), Kind: task.Function, State: state, Reason: reason, LastError: lastError}, Spec: &task.Spec{}}
}

func TestWait(t *testing.T) {
	r := &rooms{task: ended(task.Running, 0, "")}
	s := open(t, r)
	client := sendoffv1connect.NewFunctionExtensionClient(http2(t), s.URL)
	wait := func(timeout *durationpb.Duration) (*sendoffv1.WaitResponse, *sdkv1.CallResult) {
		got, err := client.Wait(t.Context(), &sendoffv1.WaitRequest{DispatchId: id(1).String(), Timeout: timeout})
		require.NoError(t, err)
		if got.GetResult() == nil {
			return got, nil
		}
		result := &sdkv1.CallResult{}
		require.NoError(t, got.GetResult().UnmarshalTo(result))
		return got, result
	}
	got, _ := wait(durationpb.New(time.Hour))
	require.Equal(t, "running", got.GetState())
	require.False(t, got.GetDone())
	require.Equal(t, time.Minute, r.waited)
	wait(durationpb.New(0))
	require.Zero(t, r.waited)
	wait(nil)
	require.Equal(t, time.Minute, r.waited)

	body := encode(&sdkv1.CallResult{DispatchId: id(1).String(), Output: text("out")})
	r.task, r.attempts = ended(task.Succeeded, 0, ""), []store.AttemptRow{{}, {Answer: task.Answer{Body: body}}}
	got, result := wait(nil)
	require.True(t, got.GetDone())
	require.True(t, proto.Equal(text("out"), result.GetOutput()))

	r.task, r.attempts = ended(task.Canceled, task.Requested, ""), nil
	_, result = wait(nil)
	require.Equal(t, "Canceled", result.GetError().GetType())
	r.task = ended(task.Failed, task.Exhausted, "503")
	_, result = wait(nil)
	require.Equal(t, "503", result.GetError().GetMessage())

	// The Wait of dispatch-py's test server.
	response, text := post(t, s.URL+"/dispatch.sdk.v1.DispatchService/Wait", "text/plain", id(1).String()+"\n")
	require.Equal(t, 200, response.StatusCode)
	require.Equal(t, "application/proto", response.Header.Get("Content-Type"))
	require.NoError(t, proto.Unmarshal([]byte(text), result))
	require.Equal(t, "503", result.GetError().GetMessage())
	r.task = ended(task.Suspended, 0, "")
	response, _ = post(t, s.URL+"/dispatch.sdk.v1.DispatchService/Wait", "text/plain", id(1).String())
	require.Equal(t, 504, response.StatusCode)
	response, _ = post(t, s.URL+"/dispatch.sdk.v1.DispatchService/Wait", "text/plain", "")
	require.Equal(t, 400, response.StatusCode)

	r.task.Kind = task.HTTP
	_, err := client.Wait(t.Context(), &sendoffv1.WaitRequest{DispatchId: "x"})
	require.Equal(t, connect.CodeFailedPrecondition, connect.CodeOf(err))
	r.err = store.ErrNotFound
	_, err = client.Wait(t.Context(), &sendoffv1.WaitRequest{DispatchId: "x"})
	require.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
	_, err = client.Wait(t.Context(), &sendoffv1.WaitRequest{})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
}

func TestSendSignal(t *testing.T) {
	r := &rooms{}
	client := sendoffv1connect.NewFunctionExtensionClient(http2(t), open(t, r).URL)
	_, err := client.SendSignal(t.Context(), &sendoffv1.SendSignalRequest{DispatchId: "order-7", Name: "paid", Value: text("x")})
	require.NoError(t, err)
	require.Equal(t, []string{"order-7", "paid", string(encode(text("x")))}, r.signal)
	for want, e := range map[connect.Code]error{
		connect.CodeNotFound: store.ErrNotFound, connect.CodeFailedPrecondition: store.ErrFinal,
	} {
		r.err = e
		_, err = client.SendSignal(t.Context(), &sendoffv1.SendSignalRequest{DispatchId: "order-7", Name: "paid"})
		require.Equal(t, want, connect.CodeOf(err))
	}
	_, err = client.SendSignal(t.Context(), &sendoffv1.SendSignalRequest{Name: "x"})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	r.err = task.Invalid{{Field: "name", Message: "is empty"}}
	_, err = client.SendSignal(t.Context(), &sendoffv1.SendSignalRequest{DispatchId: "x"})
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
}
