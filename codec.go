package sendoff

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/internal/exact"
	"github.com/sendoff-dev/sendoff/status"
)

// encode turns a Go value into what travels and is recorded: a protobuf message
// as itself, plain values in the well-known wrappers, as Dispatch's SDKs do,
// and everything else as JSON.
func encode(v any) (durable.Value, error) {
	m, err := message(v)
	if err != nil {
		return durable.Value{}, err
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return durable.Value{}, fmt.Errorf("encode %T: %w", v, err)
	}
	return durable.Value{URL: typePrefix + string(m.ProtoReflect().Descriptor().FullName()), Data: data}, nil
}

const typePrefix = "type.googleapis.com/"

func message(v any) (proto.Message, error) {
	switch v := v.(type) {
	case nil, struct{}:
		return &emptypb.Empty{}, nil
	case proto.Message:
		if reflect.ValueOf(v).IsNil() {
			return &emptypb.Empty{}, nil
		}
		return v, nil
	case string:
		return wrapperspb.String(v), nil
	case []byte:
		return wrapperspb.Bytes(v), nil
	case time.Time:
		return timestamppb.New(v), nil
	case time.Duration:
		return durationpb.New(v), nil
	case json.Marshaler, encoding.TextMarshaler:
		return jsonMessage(v)
	}
	return plainMessage(reflect.ValueOf(v))
}

func plainMessage(v reflect.Value) (proto.Message, error) {
	switch v.Kind() {
	case reflect.String:
		return wrapperspb.String(v.String()), nil
	case reflect.Bool:
		return wrapperspb.Bool(v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return wrapperspb.Int64(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return wrapperspb.UInt64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return wrapperspb.Double(v.Float()), nil
	}
	return jsonMessage(v.Interface())
}

func jsonMessage(v any) (proto.Message, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T as JSON: %w", v, err)
	}
	return &sendoffv1.JSON{Json: text}, nil
}

// decodeError says that a value does not fit a Go type. It maps to
// INVALID_ARGUMENT.
type decodeError struct {
	from, to string
	err      error
}

func (e *decodeError) Error() string {
	text := fmt.Sprintf("cannot decode a %s into a %s", e.from, e.to)
	if e.err != nil {
		text += ": " + e.err.Error()
	}
	return text
}

func (e *decodeError) Unwrap() error { return e.err }

// Status implements the interface that statusOf looks for.
func (e *decodeError) Status() status.Code { return status.InvalidArgument }

// decode reads a value into T.
func decode[T any](v durable.Value) (T, error) {
	var out T
	err := decodeTo(v, &out)
	return out, err
}

// decodeTo reads a value into what out points to.
func decodeTo(v durable.Value, out any) error {
	err := decodeInto(v, out)
	if err == nil {
		return nil
	}
	name := strings.TrimPrefix(v.URL, typePrefix)
	if name == "" {
		name = "missing value"
	}
	return &decodeError{from: name, to: reflect.TypeOf(out).Elem().String(), err: err}
}

func decodeInto(v durable.Value, out any) error {
	if v.URL == "" || v.URL == typePrefix+"google.protobuf.Empty" {
		return setEmpty(reflect.ValueOf(out).Elem())
	}
	if text, ok := out.(*string); ok && v.URL == typePrefix+"google.protobuf.StringValue" {
		var m wrapperspb.StringValue
		err := proto.Unmarshal(v.Data, &m)
		*text = m.GetValue()
		return err
	}
	dst := reflect.ValueOf(out).Elem()
	if m, ok := newMessage(dst); ok {
		if err := (&anypb.Any{TypeUrl: v.URL, Value: v.Data}).UnmarshalTo(m); err != nil {
			return err
		}
		dst.Set(reflect.ValueOf(m))
		return nil
	}
	m, err := (&anypb.Any{TypeUrl: v.URL, Value: v.Data}).UnmarshalNew()
	if err != nil {
		return err
	}
	return setMessage(dst, m)
}

// newMessage makes the message that dst points to, if it is of such a type.
func newMessage(dst reflect.Value) (proto.Message, bool) {
	if dst.Kind() != reflect.Pointer {
		return nil, false
	}
	m, ok := reflect.TypeAssert[proto.Message](reflect.New(dst.Type().Elem()))
	return m, ok
}

func setEmpty(dst reflect.Value) error {
	switch dst.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		if m, ok := newMessage(dst); ok {
			if _, ok := m.(*emptypb.Empty); ok {
				dst.Set(reflect.ValueOf(m))
			}
		}
		return nil
	case reflect.Struct:
		if dst.NumField() == 0 {
			return nil
		}
	}
	return fmt.Errorf("there is no value")
}

// setMessage sets a Go value from a message of a well-known type.
func setMessage(dst reflect.Value, m proto.Message) error {
	if dst.Type() == reflect.TypeFor[proto.Message]() {
		dst.Set(reflect.ValueOf(m))
		return nil
	}
	switch m := m.(type) {
	case *sendoffv1.JSON:
		return exact.Unmarshal(m.GetJson(), dst.Addr().Interface())
	case *structpb.Value, *structpb.Struct, *structpb.ListValue:
		text, err := protojson.Marshal(m)
		if err != nil {
			return err
		}
		return exact.Unmarshal(text, dst.Addr().Interface())
	case *timestamppb.Timestamp:
		return setPlain(dst, m.AsTime())
	case *durationpb.Duration:
		return setPlain(dst, m.AsDuration())
	case interface{ GetValue() bool }:
		return setPlain(dst, m.GetValue())
	case interface{ GetValue() int64 }:
		return setPlain(dst, m.GetValue())
	case interface{ GetValue() int32 }:
		return setPlain(dst, int64(m.GetValue()))
	case interface{ GetValue() uint64 }:
		return setPlain(dst, m.GetValue())
	case interface{ GetValue() uint32 }:
		return setPlain(dst, uint64(m.GetValue()))
	case interface{ GetValue() float64 }:
		return setPlain(dst, m.GetValue())
	case interface{ GetValue() float32 }:
		return setPlain(dst, float64(m.GetValue()))
	case interface{ GetValue() string }:
		return setPlain(dst, m.GetValue())
	case interface{ GetValue() []byte }:
		return setPlain(dst, m.GetValue())
	}
	if dst.Kind() == reflect.Interface && dst.NumMethod() == 0 {
		dst.Set(reflect.ValueOf(m))
		return nil
	}
	return fmt.Errorf("the types do not fit")
}

// setPlain sets a Go value of any type that holds the plain value exactly.
func setPlain(dst reflect.Value, plain any) error {
	v := reflect.ValueOf(plain)
	if v.Type().AssignableTo(dst.Type()) {
		dst.Set(v)
		return nil
	}
	if ok := setNumber(dst, v); ok {
		return nil
	}
	if v.Kind() == dst.Kind() && v.Type().ConvertibleTo(dst.Type()) && v.Kind() != reflect.Struct && !isNumber(v) {
		dst.Set(v.Convert(dst.Type()))
		return nil
	}
	if isNumber(dst) && isNumber(v) {
		return fmt.Errorf("%v is out of range", plain)
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return err
	}
	return exact.Unmarshal(text, dst.Addr().Interface())
}

func isNumber(v reflect.Value) bool { return v.CanInt() || v.CanUint() || v.CanFloat() }

// setNumber sets a number from another when nothing is lost.
func setNumber(dst, v reflect.Value) bool {
	switch {
	case dst.CanInt():
		n, ok := asInt(v)
		if !ok || dst.OverflowInt(n) {
			return false
		}
		dst.SetInt(n)
	case dst.CanUint():
		n, ok := asUint(v)
		if !ok || dst.OverflowUint(n) {
			return false
		}
		dst.SetUint(n)
	case dst.CanFloat():
		f, ok := asFloat(v)
		if !ok || dst.OverflowFloat(f) || !v.CanFloat() && dst.Kind() == reflect.Float32 && float64(float32(f)) != f {
			return false
		}
		dst.SetFloat(f)
	default:
		return false
	}
	return true
}

func asInt(v reflect.Value) (int64, bool) {
	switch {
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), v.Uint() <= math.MaxInt64
	case v.CanFloat():
		f := v.Float()
		return int64(f), f == math.Trunc(f) && f >= -1<<53 && f <= 1<<53
	}
	return 0, false
}

func asUint(v reflect.Value) (uint64, bool) {
	switch {
	case v.CanUint():
		return v.Uint(), true
	case v.CanInt():
		return uint64(v.Int()), v.Int() >= 0
	case v.CanFloat():
		f := v.Float()
		return uint64(f), f == math.Trunc(f) && f >= 0 && f <= 1<<53
	}
	return 0, false
}

// asFloat is exact for whole numbers: those from -2^53 to 2^53, and beyond when
// they have zeros enough at their end.
func asFloat(v reflect.Value) (float64, bool) {
	switch {
	case v.CanFloat():
		return v.Float(), true
	case v.CanInt():
		f := float64(v.Int())
		return f, f < 1<<63 && int64(f) == v.Int()
	case v.CanUint():
		f := float64(v.Uint())
		return f, f < 1<<64 && uint64(f) == v.Uint()
	}
	return 0, false
}
