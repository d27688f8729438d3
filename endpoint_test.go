package sendoff_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

const runPath = "/dispatch.sdk.v1.FunctionService/Run"

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func runBody(t *testing.T, function string) []byte {
	t.Helper()
	in, err := anypb.New(wrapperspb.Int64(21))
	require.NoError(t, err)
	b, err := proto.Marshal(&sdkv1.RunRequest{Function: function, DispatchId: "a", Directive: &sdkv1.RunRequest_Input{Input: in}})
	require.NoError(t, err)
	return b
}

// signed makes a request as Dispatch's servers sign it; each knob spoils it.
type signed struct {
	key                           ed25519.PrivateKey
	label, params, digest, signAs string
	covered                       []string
	created                       time.Time
}

func newSigned(key ed25519.PrivateKey) *signed {
	return &signed{
		key: key, label: "dispatch", params: `;keyid="default";alg="ed25519"`, digest: "sha-512", created: noon,
		covered: []string{"@method", "@path", "@authority", "content-type", "content-digest"}, signAs: "app.example.com",
	}
}

// request builds the signature by hand, so that a fault in our signer is no
// excuse for one in our verifier.
func (s *signed) request(body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://app.example.com"+runPath, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/proto")
	sum := sha512.Sum512(body)
	value := base64.StdEncoding.EncodeToString(sum[:])
	if s.digest == "sha-256" {
		short := sha256.Sum256(body)
		value = base64.StdEncoding.EncodeToString(short[:])
	}
	r.Header.Set("Content-Digest", s.digest+"=:"+value+":")
	values := map[string]string{
		"@method": "POST", "@path": runPath, "@authority": s.signAs,
		"content-type": "application/proto", "content-digest": r.Header.Get("Content-Digest"),
	}
	var base strings.Builder
	names := make([]string, 0, len(s.covered))
	for _, name := range s.covered {
		fmt.Fprintf(&base, "%q: %s\n", name, values[name])
		names = append(names, fmt.Sprintf("%q", name))
	}
	params := "(" + strings.Join(names, " ") + ")"
	if !s.created.IsZero() {
		params += fmt.Sprintf(";created=%d", s.created.Unix())
	}
	params += s.params
	base.WriteString(`"@signature-params": ` + params)
	r.Header.Set("Signature-Input", s.label+"="+params)
	r.Header.Set("Signature", s.label+"=:"+base64.StdEncoding.EncodeToString(ed25519.Sign(s.key, []byte(base.String())))+":")
	return r
}

func TestSignatures(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, stranger, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	e := newEndpoint(t, sendoff.EndpointConfig{
		URL: "https://app.example.com", VerificationKey: base64.StdEncoding.EncodeToString(public), Now: func() time.Time { return noon },
	})
	for name, tt := range map[string]struct {
		spoil  func(*signed)
		change func(*http.Request)
		want   int
	}{
		"as it must be":            {nil, nil, 200},
		"sha-256":                  {func(s *signed) { s.digest = "sha-256" }, nil, 200},
		"without alg":              {func(s *signed) { s.params = `;keyid="default"` }, nil, 200},
		"with a nonce":             {func(s *signed) { s.params += `;nonce="x"` }, nil, 200},
		"expires later":            {func(s *signed) { s.params += fmt.Sprintf(";expires=%d", noon.Add(time.Minute).Unix()) }, nil, 200},
		"has expired":              {func(s *signed) { s.params += fmt.Sprintf(";expires=%d", noon.Add(-time.Second).Unix()) }, nil, 403},
		"nearly 5 minutes old":     {func(s *signed) { s.created = noon.Add(-5 * time.Minute) }, nil, 200},
		"older than 5 minutes":     {func(s *signed) { s.created = noon.Add(-301 * time.Second) }, nil, 403},
		"10 s ahead":               {func(s *signed) { s.created = noon.Add(10 * time.Second) }, nil, 200},
		"11 s ahead":               {func(s *signed) { s.created = noon.Add(11 * time.Second) }, nil, 403},
		"no time":                  {func(s *signed) { s.created = time.Time{} }, nil, 403},
		"another key id":           {func(s *signed) { s.params = `;keyid="other"` }, nil, 403},
		"no key id":                {func(s *signed) { s.params = `` }, nil, 403},
		"another algorithm":        {func(s *signed) { s.params = `;keyid="default";alg="hmac-sha256"` }, nil, 403},
		"another key":              {func(s *signed) { s.key = stranger }, nil, 403},
		"another label":            {func(s *signed) { s.label = "sendoff" }, nil, 401},
		"digest not covered":       {func(s *signed) { s.covered = s.covered[:4] }, nil, 401},
		"method not covered":       {func(s *signed) { s.covered = s.covered[1:] }, nil, 401},
		"signed for another host":  {func(s *signed) { s.signAs = "evil.example.com" }, nil, 403},
		"behind a proxy":           {nil, func(r *http.Request) { r.Host = "10.0.0.7:8000" }, 200},
		"not signed":               {nil, func(r *http.Request) { r.Header.Del("Signature") }, 401},
		"cannot be read":           {nil, func(r *http.Request) { r.Header.Set("Signature", "dispatch=nonsense") }, 401},
		"another body":             {nil, func(r *http.Request) { r.Body = http.NoBody }, 403},
		"another type of body":     {nil, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, 403},
		"another digest":           {nil, func(r *http.Request) { r.Header.Set("Content-Digest", "sha-512=:AAAA:") }, 403},
		"packed":                   {nil, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415},
		"another path":             {nil, func(r *http.Request) { r.RequestURI = "/x" + runPath }, 403},
		"a method that is not its": {nil, func(r *http.Request) { r.Method = http.MethodPut }, 405},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSigned(private)
			if tt.spoil != nil {
				tt.spoil(s)
			}
			r := s.request(runBody(t, "double"))
			if tt.change != nil {
				tt.change(r)
			}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			require.Equal(t, tt.want, w.Code, w.Body)
			if w.Code == http.StatusOK {
				require.EqualValues(t, 42, number(t, answerOf(t, w).GetExit().GetResult()))
				return
			}
			var problem struct{ Code, Message string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem), w.Body)
			require.NotEmpty(t, problem.Code)
			require.NotEmpty(t, problem.Message)
		})
	}
}

// quiet is the logger of endpoints whose refusals are meant.
var quiet = slog.New(slog.DiscardHandler)

func newEndpoint(t *testing.T, c sendoff.EndpointConfig) *sendoff.Endpoint {
	t.Helper()
	c.Logger = quiet
	e, err := sendoff.NewEndpoint(c, double)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

func answerOf(t *testing.T, w *httptest.ResponseRecorder) *sdkv1.RunResponse {
	t.Helper()
	res := &sdkv1.RunResponse{}
	require.NoError(t, proto.Unmarshal(w.Body.Bytes(), res))
	return res
}

func TestAnEndpointWithoutAKeyServesOnlyItsHost(t *testing.T) {
	t.Setenv("DISPATCH_VERIFICATION_KEY", "")
	_, err := sendoff.NewEndpoint(sendoff.EndpointConfig{URL: "https://app.example.com"})
	require.ErrorContains(t, err, "DISPATCH_VERIFICATION_KEY")
	_, err = sendoff.NewEndpoint(sendoff.EndpointConfig{VerificationKey: "short"})
	require.ErrorContains(t, err, "PEM")
	_, err = sendoff.NewEndpoint(sendoff.EndpointConfig{Logger: quiet}, double, double)
	require.ErrorContains(t, err, `"double"`)

	for from, want := range map[string]int{"127.0.0.1:5": 200, "[::1]:5": 200, "embedded": 200, "192.0.2.1:5": 403} {
		for _, at := range []string{"", "http://localhost:8000", "bridge://abc", "embedded://app"} {
			w := httptest.NewRecorder()
			newEndpoint(t, sendoff.EndpointConfig{URL: at}).ServeHTTP(w, from1(t, from))
			require.Equal(t, want, w.Code, "%s, asked from %s", at, from)
			w = httptest.NewRecorder()
			newEndpoint(t, sendoff.EndpointConfig{URL: at, Development: true}).ServeHTTP(w, from1(t, from))
			require.Equal(t, http.StatusOK, w.Code, "%s, asked from %s", at, from)
		}
	}
}

func from1(t *testing.T, address string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, runPath, bytes.NewReader(runBody(t, "double")))
	r.Header.Set("Content-Type", "application/proto")
	r.RemoteAddr = address
	return r
}

func TestKeysMayBePEM(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for _, key := range []string{text, strings.ReplaceAll(text, "\n", `\n`), base64.StdEncoding.EncodeToString(make([]byte, 32)) + "," + text} {
		t.Setenv("DISPATCH_VERIFICATION_KEY", key)
		e := newEndpoint(t, sendoff.EndpointConfig{URL: "http://app.example.com", Now: func() time.Time { return noon }})
		w := httptest.NewRecorder()
		e.ServeHTTP(w, newSigned(private).request(runBody(t, "double")))
		require.Equal(t, http.StatusOK, w.Code, w.Body)
	}
}

func TestRequestsThatNoFunctionSees(t *testing.T) {
	e := newEndpoint(t, sendoff.EndpointConfig{Development: true, MaxBody: 1000})
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, err := z.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for name, tt := range map[string]struct {
		body    []byte
		headers map[string]string
		want    int
	}{
		"too large":    {make([]byte, 1001), nil, http.StatusRequestEntityTooLarge},
		"chunked":      {make([]byte, 1001), map[string]string{"X-Chunked": "1"}, http.StatusRequestEntityTooLarge},
		"packed":       {bomb.Bytes(), map[string]string{"Content-Encoding": "gzip"}, http.StatusUnsupportedMediaType},
		"gRPC":         {nil, map[string]string{"Content-Type": "application/grpc"}, http.StatusUnsupportedMediaType},
		"no protobuf":  {[]byte("hello"), nil, http.StatusBadRequest},
		"no directive": {nil, nil, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, runPath, bytes.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/proto")
			for k, v := range tt.headers {
				r.Header.Set(k, v)
			}
			if tt.headers["X-Chunked"] != "" {
				r.ContentLength = -1
			}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			require.Equal(t, tt.want, w.Code, w.Body)
		})
	}
}

func TestUnknownFunctionsAndJSON(t *testing.T) {
	e := newEndpoint(t, sendoff.EndpointConfig{Development: true})
	r := httptest.NewRequest(http.MethodPost, "/below"+runPath, bytes.NewReader(runBody(t, "nobody")))
	r.Header.Set("Content-Type", "application/proto")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, sdkv1.Status_STATUS_NOT_FOUND, answerOf(t, w).GetStatus())

	body := `{"function":"double","dispatchId":"b","input":{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"4"}}`
	r = httptest.NewRequest(http.MethodPost, runPath, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	w = httptest.NewRecorder()
	e.ServeHTTP(w, r)
	res := &sdkv1.RunResponse{}
	require.NoError(t, protojson.Unmarshal(w.Body.Bytes(), res), w.Body)
	require.EqualValues(t, 8, number(t, res.GetExit().GetResult()))
}

func TestTwoAttemptsNeverShareARun(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	f := sendoff.Func("slow", func(ctx context.Context, _ int) (int, error) {
		return sendoff.Step(ctx, "wait", func(ctx context.Context) (int, error) {
			entered <- struct{}{}
			select {
			case <-leave:
				return 1, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		})
	})
	e, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Development: true, Logger: quiet}, f)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	run := func() *sdkv1.RunResponse {
		r := httptest.NewRequest(http.MethodPost, runPath, bytes.NewReader(runBody(t, "slow")))
		r.Header.Set("Content-Type", "application/proto")
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		return answerOf(t, w)
	}
	first := make(chan *sdkv1.RunResponse)
	go func() { first <- run() }()
	<-entered
	second := run()
	require.Equal(t, sdkv1.Status_STATUS_THROTTLED, second.GetStatus(), "it spends no attempt")
	require.Equal(t, "busy", second.GetExit().GetResult().GetError().GetType())
	close(leave)
	require.Equal(t, sdkv1.Status_STATUS_OK, (<-first).GetStatus())
}
