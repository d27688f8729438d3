// Package kit lends the test kit what the SDK shows nobody else: its codec, its
// errors and the replay of a journal. It does not know the types of the SDK, which
// sets it.
package kit

import (
	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

// SDK is set when package sendoff is linked, and only read after that.
var SDK struct {
	// Encode makes the message that a call of a function ends with: v, or err when
	// that is not nil.
	Encode func(v any, err error) (*sdkv1.CallResult, error)

	// Decode reads a value into what out points to, as functions read their inputs.
	Decode func(v *anypb.Any, out any) error

	// Failure is the error that the named function ended with, a *sendoff.CallError.
	Failure func(function string, e *sdkv1.Error) error

	// Replay runs a sendoff.AnyFunction over a journal, to see whether its code still
	// fits. No step is run and no call is made. The error says where the code does
	// not fit, or that the journal cannot be read.
	Replay func(function any, journal []byte) error
}
