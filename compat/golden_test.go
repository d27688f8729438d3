//go:build linux

package compat_test

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

// recorder is an endpoint that keeps the bytes of a request as they came.
type recorder struct {
	addr string
	got  chan recorded
}

type recorded struct {
	line   string
	header []string // lines, in order
	body   []byte
}

func (r recorded) values(name string) (all []string) {
	for _, line := range r.header {
		if k, v, _ := strings.Cut(line, ": "); strings.EqualFold(k, name) {
			all = append(all, v)
		}
	}
	return all
}

func record(t *testing.T) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	r := &recorder{addr: l.Addr().String(), got: make(chan recorded, 10)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	return r
}

func (r *recorder) serve(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	in := bufio.NewReader(c)
	var got recorded
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line, _ = strings.CutSuffix(line, "\r\n")
		if line == "" {
			break
		}
		if got.line == "" {
			got.line = line
			continue
		}
		got.header = append(got.header, line)
		if n, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(n)
		}
	}
	got.body = make([]byte, length)
	if _, err := io.ReadFull(in, got.body); err != nil {
		return
	}
	r.got <- got
	output, _ := anypb.New(wrapperspb.String("done"))
	answer, _ := proto.Marshal(&sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK, Directive: &sdkv1.RunResponse_Exit{
		Exit: &sdkv1.Exit{Result: &sdkv1.CallResult{Output: output}},
	}})
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/proto\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
}

// dispatchAsGo sends a call as dispatch-go 0.1.0 does, byte by byte, and returns
// the answer and its body.
func dispatchAsGo(t *testing.T, s *server, key string, calls ...*sdkv1.Call) (*http.Response, []byte) {
	t.Helper()
	body, err := proto.Marshal(&sdkv1.DispatchRequest{Calls: calls})
	require.NoError(t, err)
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	defer c.Close()
	fmt.Fprintf(c, "POST /dispatch.sdk.v1.DispatchService/Dispatch HTTP/1.1\r\nHost: %s\r\nUser-Agent: connect-go/1.16.2 (go1.22.3)\r\n"+
		"Content-Length: %d\r\nAccept-Encoding: gzip\r\nAuthorization: Bearer %s\r\nConnect-Protocol-Version: 1\r\n"+
		"Content-Type: application/proto\r\n\r\n%s", s.addr, len(body), key, body)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, text
}

// The requests of the protocol, as they are on the wire.
func TestRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	r := record(t)
	input, err := anypb.New(wrapperspb.String("world"))
	require.NoError(t, err)
	call := &sdkv1.Call{
		Endpoint: "http://" + r.addr, Function: "greet", Input: input, Expiration: durationpb.New(90 * time.Second), Version: "v7",
		CorrelationId: 1<<63 + 5, // which only means something to a parent
	}

	// What dispatch-go sends is taken, and answered as it wants it.
	res, body := dispatchAsGo(t, s, apiKey, call)
	require.Equal(t, 200, res.StatusCode, string(body))
	require.Equal(t, "application/proto", res.Header.Get("Content-Type"))
	reply := &sdkv1.DispatchResponse{}
	require.NoError(t, proto.Unmarshal(body, reply))
	require.Len(t, reply.GetDispatchIds(), 1)
	id := reply.GetDispatchIds()[0]

	// The run: the request line, the header fields, each once.
	got := <-r.got
	require.Equal(t, "POST /dispatch.sdk.v1.FunctionService/Run HTTP/1.1", got.line)
	var names []string
	for _, line := range got.header {
		name, _, _ := strings.Cut(line, ": ")
		names = append(names, name)
	}
	slices.Sort(names)
	require.Equal(t, []string{
		"Connect-Protocol-Version", "Content-Digest", "Content-Length", "Content-Type", "Host", "Signature", "Signature-Input", "Traceparent", "User-Agent",
	}, names, "no chunks, nothing packed, and nothing that asks for packed answers")
	require.Equal(t, []string{r.addr}, got.values("Host"))
	require.Equal(t, []string{"application/proto"}, got.values("Content-Type"))
	require.Equal(t, []string{"1"}, got.values("Connect-Protocol-Version"))
	require.Equal(t, []string{strconv.Itoa(len(got.body))}, got.values("Content-Length"))

	// The signature: one, with the label and the key id that the SDKs know.
	digest := sha512.Sum512(got.body)
	require.Equal(t, []string{"sha-512=:" + base64.StdEncoding.EncodeToString(digest[:]) + ":"}, got.values("Content-Digest"))
	params := got.values("Signature-Input")[0]
	want := regexp.MustCompile(`^dispatch=(\("@method" "@path" "@authority" "content-type" "content-digest"\);created=(\d+);keyid="default";alg="ed25519")$`)
	require.Regexp(t, want, params)
	parts := want.FindStringSubmatch(params)
	created, err := strconv.ParseInt(parts[2], 10, 64)
	require.NoError(t, err)
	require.InDelta(t, time.Now().Unix(), created, 10)
	signature := regexp.MustCompile(`^dispatch=:([A-Za-z0-9+/=]+):$`).FindStringSubmatch(got.values("Signature")[0])
	require.Len(t, signature, 2)
	sig, err := base64.StdEncoding.DecodeString(signature[1])
	require.NoError(t, err)
	base := fmt.Sprintf("\"@method\": POST\n\"@path\": /dispatch.sdk.v1.FunctionService/Run\n\"@authority\": %s\n"+
		"\"content-type\": application/proto\n\"content-digest\": %s\n\"@signature-params\": %s", r.addr, got.values("Content-Digest")[0], parts[1])
	require.True(t, ed25519.Verify(rawKey(t, s.publicKey()), []byte(base), sig))

	// The message: the fields of the protocol; ours have numbers that others skip.
	run := &sdkv1.RunRequest{}
	require.NoError(t, proto.Unmarshal(got.body, run))
	require.Equal(t, "greet", run.GetFunction())
	require.True(t, proto.Equal(input, run.GetInput()))
	require.Equal(t, id, run.GetDispatchId())
	require.Equal(t, id, run.GetRootDispatchId())
	require.Empty(t, run.GetParentDispatchId())
	require.InDelta(t, 90, run.GetExpirationTime().AsTime().Sub(run.GetCreationTime().AsTime()).Seconds(), 1)
	for rest := got.body; len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		require.Positive(t, n)
		require.True(t, number <= 8 || number >= 1000, "field %d may become one of the protocol", number)
		rest = rest[n:]
	}
	require.Equal(t, `"done"`, s.result(id))

	// A wrong key is told before anything else is looked at, in Connect's words.
	res, body = dispatchAsGo(t, s, "wrong", &sdkv1.Call{})
	require.Equal(t, 401, res.StatusCode)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	require.True(t, bytes.HasPrefix(body, []byte(`{"code":"unauthenticated",`)), string(body))

	// All calls or none.
	res, body = dispatchAsGo(t, s, apiKey, call, &sdkv1.Call{Endpoint: call.GetEndpoint(), Function: "no name"})
	require.Equal(t, 400, res.StatusCode)
	require.True(t, bytes.HasPrefix(body, []byte(`{"code":"invalid_argument","message":"calls[1].function: `)), string(body))
	require.Empty(t, r.got)
}
