package sendoff_test

import (
	"context"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

type (
	color  string
	weight int16
	point  struct{ X, Y int }
)

// encoded is what a function gives back for an input, on the wire.
func encoded[T any](t *testing.T, in proto.Message) (out *anypb.Any, got T, fail *sdkv1.Error) {
	t.Helper()
	f := sendoff.Func("same", func(_ context.Context, v T) (T, error) { got = v; return v, nil })
	s := stage(t, journalWarm, 1, f)
	a, err := anypb.New(in)
	require.NoError(t, err)
	result, err := s.Wait(t.Context(), s.Start(&sdkv1.Call{Function: "same", Input: a}))
	require.NoError(t, err)
	return result.GetOutput(), got, result.GetError()
}

// fits checks that a message is read as a Go value, and written as another one.
func fits[T any](t *testing.T, in proto.Message, want T, back proto.Message) {
	t.Helper()
	out, got, fail := encoded[T](t, in)
	require.Nil(t, fail, "%v", fail)
	require.Equal(t, want, got)
	m, err := out.UnmarshalNew()
	require.NoError(t, err)
	require.True(t, proto.Equal(back, m), "want %v, got %v", back, m)
}

func asJSONMessage(text string) proto.Message { return &sendoffv1.JSON{Json: []byte(text)} }

func TestValuesTravelAsDispatchEncodesThem(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 5000, time.UTC)
	fits(t, wrapperspb.String("a"), "a", wrapperspb.String("a"))
	fits(t, wrapperspb.String("red"), color("red"), wrapperspb.String("red"))
	fits(t, wrapperspb.Bool(true), true, wrapperspb.Bool(true))
	fits(t, wrapperspb.Int64(-5), -5, wrapperspb.Int64(-5))
	fits(t, wrapperspb.Int32(-5), int64(-5), wrapperspb.Int64(-5))
	fits(t, wrapperspb.Int64(7), weight(7), wrapperspb.Int64(7))
	fits(t, wrapperspb.UInt64(math.MaxUint64), uint64(math.MaxUint64), wrapperspb.UInt64(math.MaxUint64))
	fits(t, wrapperspb.Int64(7), uint8(7), wrapperspb.UInt64(7))
	fits(t, wrapperspb.Double(1.5), 1.5, wrapperspb.Double(1.5))
	fits(t, wrapperspb.Double(3), 3, wrapperspb.Int64(3))
	fits(t, wrapperspb.Int64(3), float32(3), wrapperspb.Double(3))
	fits(t, wrapperspb.Bytes([]byte("x")), []byte("x"), wrapperspb.Bytes([]byte("x")))
	fits(t, timestamppb.New(at), at, timestamppb.New(at))
	fits(t, durationpb.New(time.Minute), time.Minute, durationpb.New(time.Minute))
	fits(t, &emptypb.Empty{}, struct{}{}, &emptypb.Empty{})
	fits(t, &emptypb.Empty{}, any(nil), &emptypb.Empty{})
	fits(t, asJSONMessage(`{"X":1,"Y":2}`), point{1, 2}, asJSONMessage(`{"X":1,"Y":2}`))
	fits(t, asJSONMessage(`{"X":1,"Y":2}`), &point{1, 2}, asJSONMessage(`{"X":1,"Y":2}`))
	fits(t, asJSONMessage(`[1,2]`), []int{1, 2}, asJSONMessage(`[1,2]`))
	fits(t, asJSONMessage(`{"b":1,"a":2}`), map[string]int{"a": 2, "b": 1}, asJSONMessage(`{"a":2,"b":1}`))
	fits(t, asJSONMessage(`{"a":1}`), json.RawMessage(`{"a":1}`), asJSONMessage(`{"a":1}`))
	list, err := structpb.NewValue([]any{1, 2})
	require.NoError(t, err)
	fits(t, list, []int{1, 2}, asJSONMessage(`[1,2]`))
	fits(t, list.GetListValue(), []int{1, 2}, asJSONMessage(`[1,2]`))
	object, err := structpb.NewStruct(map[string]any{"X": 1, "Y": 2})
	require.NoError(t, err)
	fits(t, object, point{1, 2}, asJSONMessage(`{"X":1,"Y":2}`))
	fits(t, structpb.NewNumberValue(4), 4, wrapperspb.Int64(4))
	fits(t, structpb.NewStringValue("x"), "x", wrapperspb.String("x"))
	fits(t, asJSONMessage(`{"n":9007199254740993,"m":1}`), map[string]any{"n": json.Number("9007199254740993"), "m": 1.0}, asJSONMessage(`{"m":1,"n":9007199254740993}`))
	fits(t, wrapperspb.Int64(1<<53), float64(1<<53), wrapperspb.Double(1<<53))
	_, m, _ := encoded[*durationpb.Duration](t, durationpb.New(time.Hour))
	require.Equal(t, time.Hour, m.AsDuration())
}

func misfits[T any](t *testing.T, in proto.Message, texts ...string) {
	t.Helper()
	f := sendoff.Func("same", func(_ context.Context, v T) (T, error) { return v, nil })
	s := stage(t, journalWarm, 1, f)
	a, err := anypb.New(in)
	require.NoError(t, err)
	id := s.Start(&sdkv1.Call{Function: "same", Input: a})
	result, err := s.Wait(t.Context(), id)
	require.NoError(t, err)
	_, status := s.Result(id)
	require.Equal(t, sdkv1.Status_STATUS_INVALID_ARGUMENT, status)
	for _, text := range append(texts, "function same", string(in.ProtoReflect().Descriptor().FullName())) {
		require.Contains(t, result.GetError().GetMessage(), text)
	}
}

func TestValuesThatDoNotFitAreRefused(t *testing.T) {
	misfits[int](t, wrapperspb.String("a"), "into a int")
	misfits[int8](t, wrapperspb.Int64(200), "out of range")
	misfits[uint](t, wrapperspb.Int64(-1), "out of range")
	misfits[int](t, wrapperspb.Double(1.5), "out of range")
	misfits[float64](t, wrapperspb.Int64(1<<53+1), "out of range")
	misfits[float32](t, wrapperspb.Int64(1<<24+1), "out of range")
	misfits[point](t, wrapperspb.Int64(1), "sendoff_test.point")
	misfits[point](t, &emptypb.Empty{}, "no value")
	misfits[point](t, asJSONMessage(`[1]`), "cannot unmarshal array")
	misfits[*durationpb.Duration](t, wrapperspb.String("a"))
	misfits[string](t, &sdkv1.Call{}, "do not fit")
	misfits[time.Duration](t, wrapperspb.String("1s"))
}
