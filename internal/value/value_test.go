package value

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pythonv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/python/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// Pickles were made by CPython 3.11, protocol 4; the last two by the SDK.
func TestPicklesAreShown(t *testing.T) {
	for pickle, want := range map[string]string{
		"gARLAS4=":                                                             `1`,
		"gASVBgAAAAAAAABK+////y4=":                                             `-5`,
		"gASVCQAAAAAAAACKBgAAAAAAAS4=":                                         `1099511627776`,
		"gASVDAAAAAAAAACKCQAAAAAAAAAAQC4=":                                     `"1180591620717411303424"`,
		"gASVCgAAAAAAAACMBmjDqWxsb5Qu":                                         `"héllo"`,
		"gASVFgAAAAAAAABdlChLAYwBYZROiEc/+AAAAAAAAGUu":                         `[1,"a",null,true,1.5]`,
		"gASVGwAAAAAAAAB9lIwBYZRdlChLAX2UjAFilEsBSwKGlHNlcy4=":                 `{"a":[1,{"b":[1,2]}]}`,
		"gASVCQAAAAAAAACPlChLAUsCkC4=":                                         `[1,2]`,
		"gASVJgAAAAAAAACMCGJ1aWx0aW5zlIwKVmFsdWVFcnJvcpSTlIwEYm9vbZSFlFKULg==": `{"@class":"builtins.ValueError","args":["boom"]}`,
		"gASVQgAAAAAAAACMDmRpc3BhdGNoLnByb3RvlIwJQXJndW1lbnRzlJOUKYGUfZQojARhcmdzlEsBjAF4lIaUjAZrd2FyZ3OUfZR1Yi4=": `[1,"x"]`,
		"gASVQgAAAAAAAACMDmRpc3BhdGNoLnByb3RvlIwJQXJndW1lbnRzlJOUKYGUfZQojARhcmdzlCmMBmt3YXJnc5R9lIwBbpRLA3N1Yi4=": `{"n":3}`,
	} {
		raw, err := base64.StdEncoding.DecodeString(pickle)
		require.NoError(t, err)
		require.JSONEq(t, want, string(shown(t, &pythonv1.Pickled{PickledValue: raw})))
		require.JSONEq(t, want, string(shown(t, wrapperspb.Bytes(raw))), "as older SDKs send it")
		for cut := range raw { // damaged ones are shown as bytes, and nothing breaks
			require.NotEmpty(t, pickled(raw[:cut]))
		}
	}
}

func shown(t *testing.T, m proto.Message) []byte {
	t.Helper()
	any, err := anypb.New(m)
	require.NoError(t, err)
	b, err := proto.Marshal(any)
	require.NoError(t, err)
	return JSON(b)
}

func TestValuesAreShown(t *testing.T) {
	list, err := structpb.NewValue([]any{1.5, "x", map[string]any{"k": true}})
	require.NoError(t, err)
	for want, m := range map[string]proto.Message{
		`null`: &emptypb.Empty{}, `"x"`: wrapperspb.String("x"), `9007199254740993`: wrapperspb.Int64(9007199254740993),
		`true`: wrapperspb.Bool(true), `1.5`: wrapperspb.Double(1.5), `"1m30s"`: durationpb.New(90e9),
		`[1.5,"x",{"k":true}]`: list, `{"a":[1,2]}`: &sendoffv1.JSON{Json: []byte(`{"a":[1,2]}`)},
	} {
		require.JSONEq(t, want, string(shown(t, m)))
	}
	require.Nil(t, JSON(nil))
	require.JSONEq(t, `{"base64":"/w=="}`, string(JSON([]byte{0xff})))
	require.JSONEq(t, `{"@type":"x.Y","base64":"AQ=="}`, string(Any(&anypb.Any{TypeUrl: "a.b/x.Y", Value: []byte{1}})))
}

func FuzzUnpickle(f *testing.F) {
	f.Add([]byte("\x80\x04K\x01."))
	f.Fuzz(func(t *testing.T, b []byte) { _ = pickled(b) })
}
