package function

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/task"
)

// inputOf is the argument of a function: the task's payload is a serialized Any,
// or JSON when its content type says so. No payload is Empty, which is how the
// SDKs encode no argument. Sendoff's own SDK takes JSON as it is.
func inputOf(payload []byte, spec *task.Spec, ours bool) (*anypb.Any, error) {
	if len(payload) == 0 {
		return anypb.New(&emptypb.Empty{})
	}
	if kind, _, err := mime.ParseMediaType(spec.ContentType); err == nil && kind == "application/json" {
		if ours && json.Valid(payload) {
			return anypb.New(&sendoffv1.JSON{Json: payload})
		}
		return jsonInput(payload)
	}
	input := &anypb.Any{}
	if err := proto.Unmarshal(payload, input); err != nil {
		return nil, errors.New("the payload is not a serialized google.protobuf.Any: submit it with content_type application/json if it is JSON")
	}
	return input, nil
}

// jsonInput encodes JSON as the SDKs encode the same value of their language.
func jsonInput(payload []byte) (*anypb.Any, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("the payload is not JSON: %w", err)
	}
	m, err := message(v)
	if err != nil {
		return nil, err
	}
	input := &anypb.Any{}
	return input, anypb.MarshalFrom(input, m, proto.MarshalOptions{Deterministic: true})
}

func message(v any) (proto.Message, error) {
	switch v := v.(type) {
	case nil:
		return &emptypb.Empty{}, nil
	case bool:
		return wrapperspb.Bool(v), nil
	case string:
		return wrapperspb.String(v), nil
	case json.Number:
		return number(v)
	}
	plain, err := numbers(v)
	if err != nil {
		return nil, err
	}
	return structpb.NewValue(plain)
}

func number(n json.Number) (proto.Message, error) {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return wrapperspb.Int64(i), nil
	}
	f, err := n.Float64()
	if err != nil {
		return nil, fmt.Errorf("the payload holds the number %s, which is out of range", n)
	}
	return wrapperspb.Double(f), nil
}

// numbers turns the numbers inside a value into what a google.protobuf.Value
// can hold.
func numbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("the payload holds the number %s, which is out of range", v)
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
