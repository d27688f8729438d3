package function_test

import (
	"crypto/ed25519"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

var done = exit(sdkv1.Status_STATUS_OK, nil, nil)

// spanOf is the span of a run, in the trace of its call.
func spanOf(t *testing.T, h http.Header) string {
	t.Helper()
	span := h.Get("Traceparent")
	require.Regexp(t, "^00-"+strings.ReplaceAll(taskID, "-", "")+"-[0-9a-f]{16}-01$", span)
	return span
}

// The request is what dispatch-py and dispatch-go take: see 1.2 of the facts.
func TestTheRequestOnTheWire(t *testing.T) {
	a := serve(t, done)
	x := newExecutor(t, function.Config{UserAgent: "sendoff/1"})
	require.Equal(t, task.Success, x.Execute(t.Context(), first(), greet(a.URL+"/app/")).Class)

	want := http.Header{
		":method": {"POST"}, ":path": {"/app/dispatch.sdk.v1.FunctionService/Run"}, ":authority": {strings.TrimPrefix(a.URL, "http://")},
		"Content-Type": {"application/proto"}, "Connect-Protocol-Version": {"1"}, "User-Agent": {"sendoff/1"},
		"Content-Length": {strconv.Itoa(len(a.bodies[0]))}, "Transfer-Encoding": nil, "Traceparent": {spanOf(t, a.headers[0])},
	}
	require.Equal(t, want, a.headers[0])

	request := a.requests[0]
	request.Context = nil
	requireEqual(t, &sdkv1.RunRequest{
		Function: "greet", Directive: &sdkv1.RunRequest_Input{Input: text("hello")},
		DispatchId: taskID, RootDispatchId: taskID,
		CreationTime: timestamppb.New(createdAt), ExpirationTime: timestamppb.New(createdAt.Add(time.Hour)),
	}, request)
}

func TestTheFieldsOfARequest(t *testing.T) {
	a := serve(t, done)
	c := first()
	c.Payload, c.CreatedAt, c.ExpiresAt = encode(&anypb.Any{TypeUrl: "x/y", Value: []byte{0xff}}), 1_000_000, 0
	newExecutor(t, function.Config{}).Execute(t.Context(), c, greet(a.URL))
	got := map[protowire.Number]string{}
	for b := a.bodies[0]; len(b) > 0; {
		number, _, n := protowire.ConsumeField(b)
		got[number], b = string(b[:n]), b[n:]
	}
	delete(got, 1000)
	require.Equal(t, map[protowire.Number]string{
		1: "\x0a\x05greet",
		2: "\x12\x08" + "\x0a\x03x/y" + "\x12\x01\xff", // input
		4: "\x22\x24" + taskID,
		6: "\x32\x24" + taskID,     // root: its own
		7: "\x3a\x02" + "\x08\x01", // created
	}, got)
}

func TestFamily(t *testing.T) {
	a := serve(t, done)
	c := first()
	c.Parent, c.Root = task.ID{7}, task.ID{9}
	newExecutor(t, function.Config{}).Execute(t.Context(), c, greet(a.URL))
	require.Equal(t, []string{taskID, c.Parent.String(), c.Root.String()},
		[]string{a.requests[0].GetDispatchId(), a.requests[0].GetParentDispatchId(), a.requests[0].GetRootDispatchId()})
}

// Other SDKs have no field 1000: for them our request is theirs with something
// unknown behind it.
func TestWhatWeAddIsSkippedByOthers(t *testing.T) {
	a := serve(t, done)
	newExecutor(t, function.Config{}).Execute(t.Context(), first(), greet(a.URL))
	var known []byte
	fields := map[protowire.Number]int{}
	for b := a.bodies[0]; len(b) > 0; {
		number, _, n := protowire.ConsumeField(b)
		require.Positive(t, n)
		fields[number]++
		if number < 1000 {
			known = append(known, b[:n]...)
		}
		b = b[n:]
	}
	require.Equal(t, map[protowire.Number]int{1: 1, 2: 1, 4: 1, 6: 1, 7: 1, 8: 1, 1000: 1}, fields)
	old := &sdkv1.RunRequest{}
	require.NoError(t, proto.Unmarshal(known, old))
	now := a.requests[0]
	require.EqualValues(t, 1, now.GetContext().GetToken())
	require.EqualValues(t, 1, now.GetContext().GetAttempt())
	require.WithinDuration(t, time.Now(), now.GetContext().GetNow().AsTime(), time.Minute)
	now.Context = nil
	requireEqual(t, old, now)
}

// Likewise an answer with fields that are newer than we are is not lost on us.
func TestUnknownFieldsOfAnAnswerAreHarmless(t *testing.T) {
	extra := protowire.AppendString(protowire.AppendTag(nil, 2000, protowire.BytesType), "from the future")
	a := serveHTTP(t, 200, "application/proto", string(append(encode(exit(sdkv1.Status_STATUS_OK, text("x"), nil)), extra...)))
	o := newExecutor(t, function.Config{}).Execute(t.Context(), first(), greet(a.URL))
	requireEqual(t, text("x"), resultOf(t, o).GetOutput())
}

func TestInputs(t *testing.T) {
	list, _ := structpb.NewValue([]any{1.0, "a", nil})
	object, _ := structpb.NewValue(map[string]any{"n": 1.5, "deep": []any{true}})
	for _, tt := range []struct {
		payload string
		want    proto.Message
	}{
		{`"text"`, wrapperspb.String("text")},
		{`true`, wrapperspb.Bool(true)},
		{`-7`, wrapperspb.Int64(-7)},
		{`9223372036854775807`, wrapperspb.Int64(9223372036854775807)},
		{`9223372036854775808`, wrapperspb.Double(9223372036854775808)},
		{`1.5`, wrapperspb.Double(1.5)},
		{`1e3`, wrapperspb.Double(1000)},
		{`null`, &emptypb.Empty{}},
		{`[1,"a",null]`, list},
		{` {"n":1.5,"deep":[true]} `, object},
		{``, &emptypb.Empty{}},
	} {
		a := serve(t, done)
		c, spec := first(), greet(a.URL)
		c.Payload, spec.ContentType = []byte(tt.payload), "application/json; charset=utf-8"
		o := newExecutor(t, function.Config{}).Execute(t.Context(), c, spec)
		require.Equal(t, task.Success, o.Class, o.Error)
		want := &anypb.Any{}
		require.NoError(t, anypb.MarshalFrom(want, tt.want, proto.MarshalOptions{Deterministic: true}))
		requireEqual(t, want, a.requests[0].GetInput())
	}
	for payload, contentType := range map[string]string{`{`: "application/json", `1e999`: "application/json", `[1e999]`: "application/json", "{}": "", "\xff": ""} {
		c, spec := first(), greet("http://127.0.0.1:1")
		c.Payload, spec.ContentType = []byte(payload), contentType
		o := newExecutor(t, function.Config{}).Execute(t.Context(), c, spec)
		require.Equal(t, task.Reject, o.Class, payload)
		require.Contains(t, o.Error, "the payload")
		require.Equal(t, "INVALID_ARGUMENT", resultOf(t, o).GetError().GetType())
	}
}

var signatureInput = regexp.MustCompile(`^dispatch=(\("@method" "@path" "@authority" "content-type" "content-digest"\);created=(\d+);keyid="default";alg="ed25519")$`)

// verify checks a signature as both SDKs do, with the standard library alone.
func verify(t *testing.T, key ed25519.PublicKey, h http.Header, body []byte) error {
	t.Helper()
	require.Len(t, h["Signature"], 1)
	require.Len(t, h["Signature-Input"], 1)
	sum := sha512.Sum512(body)
	require.Equal(t, "sha-512=:"+base64.StdEncoding.EncodeToString(sum[:])+":", h.Get("Content-Digest"))
	m := signatureInput.FindStringSubmatch(h.Get("Signature-Input"))
	require.NotNil(t, m, h.Get("Signature-Input"))
	created, _ := strconv.ParseInt(m[2], 10, 64)
	require.WithinDuration(t, time.Now(), time.Unix(created, 0), 4*time.Second)
	require.Equal(t, strings.ToLower(h.Get(":authority")), h.Get(":authority"))
	base := `"@method": ` + h.Get(":method") + "\n" + `"@path": ` + h.Get(":path") + "\n" + `"@authority": ` + h.Get(":authority") + "\n" +
		`"content-type": ` + h.Get("Content-Type") + "\n" + `"content-digest": ` + h.Get("Content-Digest") + "\n" +
		`"@signature-params": ` + m[1]
	value := strings.TrimSuffix(strings.TrimPrefix(h.Get("Signature"), "dispatch=:"), ":")
	signature, err := base64.StdEncoding.DecodeString(value)
	require.NoError(t, err)
	require.True(t, ed25519.Verify(key, []byte(base), signature), base)
	return nil
}

func publicKey(t *testing.T, keys *httpsig.Keys) ed25519.PublicKey {
	t.Helper()
	block, rest := pem.Decode([]byte(keys.PublicKeyPEM()))
	require.Empty(t, rest)
	require.Equal(t, "PUBLIC KEY", block.Type)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	return key.(ed25519.PublicKey)
}

func TestSignature(t *testing.T) {
	keys := httpsig.NewKeys()
	a := serve(t, done)
	x := newExecutor(t, function.Config{Sign: keys.SignBase})
	for _, endpoint := range []string{a.URL, a.URL + "/", a.URL + "/a%2Fb/c", strings.Replace(a.URL, "127.0.0.1", "LocalHost", 1)} {
		a.headers, a.bodies = nil, nil
		o := x.Execute(t.Context(), first(), greet(endpoint))
		require.Equal(t, task.Success, o.Class, o.Error)
		require.NoError(t, verify(t, publicKey(t, keys), a.headers[0], a.bodies[0]))
	}
	a.headers = nil
	newExecutor(t, function.Config{}).Execute(t.Context(), first(), greet(a.URL))
	require.NotContains(t, a.headers[0], "Signature")
}

// What is signed of an endpoint is its host in lower case without the default
// port; aiohttp and Flask see nothing else.
func TestDefaultPortsAreNotSent(t *testing.T) {
	var host, target string
	inside := roundTripper(func(r *http.Request) (*http.Response, error) {
		host, target = r.Host, r.URL.String()
		return nil, http.ErrAbortHandler
	})
	x := newExecutor(t, function.Config{Embedded: func(name string) (http.RoundTripper, bool) { return inside, name == "Me" }})
	x.Execute(t.Context(), first(), greet("embedded://Me/x"))
	require.Equal(t, "Me", host)
	require.Equal(t, "http://Me/x/dispatch.sdk.v1.FunctionService/Run", target)
	for endpoint, want := range map[string]string{
		"http://App.Example:80": "app.example", "https://App.Example:443/x": "app.example", "http://a:443": "a:443", "https://a:80": "a:80",
		"http://[2001:DB8::1]:80": "[2001:db8::1]",
	} {
		require.Equal(t, want, function.Authority(endpoint))
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCredentialsOfAnEndpoint(t *testing.T) {
	a := serveHTTP(t, 500, "text/plain", "")
	endpoint := strings.Replace(a.URL, "http://", "http://user:geheim@", 1) + "?code=geheim"
	x := newExecutor(t, function.Config{})
	o := x.Execute(t.Context(), first(), greet(endpoint))
	require.Equal(t, "Basic dXNlcjpnZWhlaW0=", a.headers[0].Get("Authorization"))
	require.Equal(t, "/dispatch.sdk.v1.FunctionService/Run?code=geheim", a.headers[0].Get(":path"))
	require.NotContains(t, o.Error, "geheim")
	require.NotContains(t, x.Stats()[0].Endpoint, "geheim")
}

func TestAnEmbeddedEndpoint(t *testing.T) {
	inside := roundTripper(func(r *http.Request) (*http.Response, error) { panic("oh no") })
	x := newExecutor(t, function.Config{
		Sign:     func([]byte) []byte { panic("signed") },
		Embedded: func(name string) (http.RoundTripper, bool) { return inside, name == "here" },
	})
	o := x.Execute(t.Context(), first(), greet("embedded://here"))
	require.Equal(t, task.Failure, o.Class)
	require.Contains(t, o.Error, "the endpoint panicked: oh no")
	o = x.Execute(t.Context(), first(), greet("embedded://there"))
	require.Equal(t, task.Throttle, o.Class)
	require.Contains(t, o.Error, "not served by this process")
}

// State and results come back exactly as they were given.
func TestAResume(t *testing.T) {
	a := serve(t, poll(&sdkv1.Poll{
		State:      &sdkv1.Poll_TypedCoroutineState{TypedCoroutineState: &anypb.Any{TypeUrl: "odd", Value: []byte("\x00\xff")}},
		MaxResults: 2, MaxWait: seconds(9),
	}))
	x := newExecutor(t, function.Config{})
	o := x.Execute(t.Context(), first(), greet(a.URL))
	require.Equal(t, task.Suspend, o.Class, o.Error)

	ok := encode(&sdkv1.CallResult{CorrelationId: 5, Output: text("out")})
	failed := encode(&sdkv1.CallResult{Error: &sdkv1.Error{Type: "ValueError", Message: "bad", Value: []byte{1}, Traceback: []byte("tb")}})
	x = newExecutor(t, function.Config{}, store.Resumption{
		Writer: 1, State: o.Progress.State, Open: 4,
		Messages: []store.Message{
			{Seq: 11, Kind: store.Result, From: childID, Correlation: 1<<64 - 1, State: task.Succeeded, Body: ok},
			{Seq: 12, Kind: store.Result, From: childID, Correlation: 1 << 63, State: task.Failed, Reason: task.Rejected, Error: "x", Body: failed},
			{Seq: 13, Kind: store.Result, From: childID, State: task.Canceled},
		},
	})
	o = x.Execute(t.Context(), later(2), greet(a.URL))
	require.Equal(t, task.Suspend, o.Class, o.Error)
	require.EqualValues(t, 2, o.Progress.Open) // two of four were delivered
	require.EqualValues(t, 12, o.Progress.Seen)
	require.Equal(t, "2", header(o, "Results"))
	got := a.requests[1]
	require.Nil(t, got.GetInput())
	requireEqual(t, &sdkv1.PollResult{
		State: &sdkv1.PollResult_TypedCoroutineState{TypedCoroutineState: &anypb.Any{TypeUrl: "odd", Value: []byte("\x00\xff")}},
		Results: []*sdkv1.CallResult{
			{CorrelationId: 1<<64 - 1, DispatchId: childID.String(), Output: text("out")},
			{CorrelationId: 1 << 63, DispatchId: childID.String(), Error: &sdkv1.Error{Type: "ValueError", Message: "bad", Value: []byte{1}, Traceback: []byte("tb")}},
		},
	}, got.GetPollResult())
}
