package durable

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/journal"
)

// Value is an encoded value: the two fields of an Any. The zero Value is none.
type Value = journal.Value

// FromAny returns the value that came over the wire.
func FromAny(a *anypb.Any) Value { return journal.FromAny(a) }

// asError reads a value that is a dispatch.sdk.v1.Error.
func asError(v Value) (*sdkv1.Error, bool) {
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
