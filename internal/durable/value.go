package durable

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

func fromAny(a *anypb.Any) Value {
	if a == nil {
		return Value{}
	}
	return Value{a.GetTypeUrl(), a.GetValue()}
}

// Any returns the value for the wire; nil when there is none.
func (v Value) Any() *anypb.Any {
	if v.URL == "" {
		return nil
	}
	return &anypb.Any{TypeUrl: v.URL, Value: v.Data}
}

// FromAny returns the value that came over the wire.
func FromAny(a *anypb.Any) Value { return fromAny(a) }

// asError reads a value that is a dispatch.sdk.v1.Error.
func (v Value) asError() (*sdkv1.Error, bool) {
	e := new(sdkv1.Error)
	a := v.Any()
	if a == nil || !a.MessageIs(e) {
		return nil, false
	}
	if err := proto.Unmarshal(v.Data, e); err != nil {
		e = &sdkv1.Error{Type: "promise", Message: "rejected with an error that cannot be read"}
	}
	return e, true
}
