package dispatchapi

import (
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/task"
)

// maxValues bounds the JSON of a request: each of its values takes some hundred
// bytes of memory, however short it is.
const maxValues = 250_000

// The codecs count what a message holds before they decode it.
type (
	protoCodec struct{}
	jsonCodec  struct{ name string }
)

// codecs replace those of Connect.
func codecs() connect.HandlerOption {
	return connect.WithHandlerOptions(connect.WithCodec(protoCodec{}),
		connect.WithCodec(jsonCodec{"json"}), connect.WithCodec(jsonCodec{"json; charset=utf-8"}))
}

// Name implements connect.Codec.
func (protoCodec) Name() string { return "proto" }

// Marshal implements connect.Codec.
func (protoCodec) Marshal(m any) ([]byte, error) { return proto.Marshal(m.(proto.Message)) }

// MarshalAppend appends the bytes of a message.
func (protoCodec) MarshalAppend(dst []byte, m any) ([]byte, error) {
	return proto.MarshalOptions{}.MarshalAppend(dst, m.(proto.Message))
}

// Unmarshal implements connect.Codec.
func (protoCodec) Unmarshal(b []byte, m any) error {
	if _, ok := m.(*sdkv1.DispatchRequest); ok {
		if err := countCalls(b); err != nil {
			return err
		}
	}
	return proto.Unmarshal(b, m.(proto.Message))
}

// countCalls looks at the calls of a DispatchRequest, which are its field 1, and
// stops at the first one too many.
func countCalls(b []byte) error {
	for calls := 0; len(b) > 0; {
		field, _, n := protowire.ConsumeField(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if field == 1 {
			calls++
		}
		if calls > task.MaxBatch {
			return errTooManyCalls
		}
		b = b[n:]
	}
	return nil
}

var errTooManyCalls = fmt.Errorf("calls: has more than %d entries: at most that many are allowed", task.MaxBatch)

// Name implements connect.Codec.
func (c jsonCodec) Name() string { return c.name }

// Marshal implements connect.Codec.
func (jsonCodec) Marshal(m any) ([]byte, error) { return protojson.Marshal(m.(proto.Message)) }

// Unmarshal implements connect.Codec. Fields that are not known are left out, as
// Connect has it: a client may be newer than the server.
func (jsonCodec) Unmarshal(b []byte, m any) error {
	if len(b) == 0 {
		return errors.New("the body is empty: want a JSON object")
	}
	if n := countValues(b, maxValues); n > maxValues {
		return fmt.Errorf("the JSON has more than %d values: send fewer calls at a time, or protobuf", maxValues)
	}
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, m.(proto.Message))
}

// countValues counts the values of a JSON text, as far as most and one more: the
// first one, and one behind each comma, bracket, brace and colon.
func countValues(b []byte, most int) int {
	n, quoted := 1, false
	for i := 0; i < len(b) && n <= most; i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '[' || c == '{' || c == ':'):
			n++
		}
	}
	return n
}
