// Package value shows the arguments and results of functions to people. They
// are google.protobuf.Any: what the SDKs put into it is shown as JSON, anything
// else by its type and as base64. Nothing is decoded on the way of a call.
package value

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pythonv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/python/v1"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// JSON shows a serialized Any; nil for none.
func JSON(payload []byte) json.RawMessage {
	if len(payload) == 0 {
		return nil
	}
	any := &anypb.Any{}
	if proto.Unmarshal(payload, any) != nil || any.GetTypeUrl() == "" {
		return opaque("", payload)
	}
	return Any(any)
}

// Result shows what a function ended with, a serialized CallResult: its output, and
// its error; nil for none.
func Result(body []byte) (json.RawMessage, *sdkv1.Error) {
	r := &sdkv1.CallResult{}
	if len(body) == 0 || proto.Unmarshal(body, r) != nil {
		return nil, nil
	}
	return Any(r.GetOutput()), r.GetError()
}

// Any shows a value; nil for none.
func Any(any *anypb.Any) json.RawMessage {
	if any == nil {
		return nil
	}
	m, err := any.UnmarshalNew()
	if err != nil {
		return opaque(any.GetTypeUrl(), any.GetValue())
	}
	switch v := m.(type) {
	case *emptypb.Empty:
		return json.RawMessage("null")
	case *sendoffv1.JSON:
		if utf8.Valid(v.GetJson()) && json.Valid(v.GetJson()) {
			return v.GetJson()
		}
	case *pythonv1.Pickled:
		return pickled(v.GetPickledValue())
	case *wrapperspb.BytesValue:
		return bytesValue(v.GetValue())
	case *wrapperspb.Int64Value:
		return plain(v.GetValue())
	case *wrapperspb.UInt64Value:
		return plain(v.GetValue())
	case *timestamppb.Timestamp:
		return plain(v.AsTime().Format(time.RFC3339Nano))
	case *durationpb.Duration:
		return plain(v.AsDuration().String())
	case *structpb.Value, *structpb.Struct, *structpb.ListValue:
	}
	b, err := protojson.Marshal(m)
	if err != nil {
		return opaque(any.GetTypeUrl(), any.GetValue())
	}
	return b
}

// bytesValue shows bytes, which older Python SDKs fill with a pickle.
func bytesValue(b []byte) json.RawMessage {
	if len(b) > 1 && b[0] == protoOpcode {
		return pickled(b)
	}
	return plain(b)
}

func pickled(b []byte) json.RawMessage {
	if v, ok := unpickle(b); ok {
		if out, err := json.Marshal(v); err == nil {
			return out
		}
	}
	return opaque("pickle", b)
}

func opaque(kind string, b []byte) json.RawMessage {
	kind = kind[strings.LastIndexByte(kind, '/')+1:]
	return plain(struct {
		Type   string `json:"@type,omitempty"`
		Base64 string `json:"base64"`
	}{kind, base64.StdEncoding.EncodeToString(b)})
}

func plain(v any) json.RawMessage {
	b, _ := json.Marshal(v) // plain data cannot fail
	return b
}
