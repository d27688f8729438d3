package sendoff

import (
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
)

// EncodeResult makes the message that a call of a function ends with: v, or
// err when that is not nil. It is for test kits and for servers of functions
// that are not written with this package.
func EncodeResult(v any, err error) (*sdkv1.CallResult, error) {
	if err != nil {
		return &sdkv1.CallResult{Error: wireError(err)}, nil
	}
	value, err := encode(v)
	if err != nil {
		return &sdkv1.CallResult{Error: wireError(err)}, err
	}
	return &sdkv1.CallResult{Output: value.Any()}, nil
}

// DecodeResult reads the message that a call of the named function ended with;
// its error is a [*CallError].
func DecodeResult[O any](function string, r *sdkv1.CallResult) (O, error) {
	if r.GetError() != nil {
		var zero O
		return zero, decodeCallError(function, r.GetError())
	}
	return decode[O](durable.FromAny(r.GetOutput()))
}

// DecodeValue reads a value as functions read their inputs.
func DecodeValue[T any](a *anypb.Any) (T, error) { return decode[T](durable.FromAny(a)) }

// ReplayJournal runs f over a journal, to see whether its code still fits. No
// step is run and no call is made. The error says where the code does not fit,
// or that the journal cannot be read.
func ReplayJournal(f AnyFunction, journal []byte) error {
	h := &durable.Host{SDK: sdkVersion, Site: callSite}
	h.Open()
	defer h.Close()
	err := h.Replay(context.Background(), f.Name(), journal, f.run)
	if misfit, ok := errors.AsType[*durable.MismatchError](err); ok {
		return errors.New(misfit.Text)
	}
	return err
}
