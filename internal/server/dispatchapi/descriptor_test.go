package dispatchapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/python/v1"
	_ "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	_ "github.com/sendoff-dev/sendoff/gen/dispatch/v1"
)

// published is the contract as Dispatch's own SDKs have it, dispatch-py 0.8.0 for
// one: message, field, number, type, and the oneof it belongs to. It never
// changes; what we add has numbers from 1000 on.
const published = `
Call correlation_id 1 uint64
Call endpoint 2 string
Call expiration 5 google.protobuf.Duration
Call function 3 string
Call input 4 google.protobuf.Any
Call version 6 string
CallResult correlation_id 1 uint64
CallResult dispatch_id 4 string
CallResult error 3 dispatch.sdk.v1.Error
CallResult output 2 google.protobuf.Any
DispatchRequest calls 1 repeated dispatch.sdk.v1.Call
DispatchResponse dispatch_ids 1 repeated string
Error message 2 string
Error traceback 4 bytes
Error type 1 string
Error value 3 bytes
Exit result 1 dispatch.sdk.v1.CallResult
Exit tail_call 2 dispatch.sdk.v1.Call
Poll calls 2 repeated dispatch.sdk.v1.Call
Poll coroutine_state 1 bytes in state
Poll max_results 4 int32
Poll max_wait 3 google.protobuf.Duration
Poll min_results 5 int32
Poll typed_coroutine_state 6 google.protobuf.Any in state
PollResult coroutine_state 1 bytes in state
PollResult error 3 dispatch.sdk.v1.Error
PollResult results 2 repeated dispatch.sdk.v1.CallResult
PollResult typed_coroutine_state 4 google.protobuf.Any in state
RunRequest creation_time 7 google.protobuf.Timestamp
RunRequest dispatch_id 4 string
RunRequest expiration_time 8 google.protobuf.Timestamp
RunRequest function 1 string
RunRequest input 2 google.protobuf.Any in directive
RunRequest parent_dispatch_id 5 string
RunRequest poll_result 3 dispatch.sdk.v1.PollResult in directive
RunRequest root_dispatch_id 6 string
RunResponse exit 2 dispatch.sdk.v1.Exit in directive
RunResponse poll 3 dispatch.sdk.v1.Poll in directive
RunResponse status 1 dispatch.sdk.v1.Status
STATUS_DNS_ERROR 9
STATUS_HTTP_ERROR 12
STATUS_INCOMPATIBLE_STATE 8
STATUS_INVALID_ARGUMENT 4
STATUS_INVALID_RESPONSE 5
STATUS_NOT_FOUND 15
STATUS_OK 1
STATUS_PERMANENT_ERROR 7
STATUS_PERMISSION_DENIED 14
STATUS_TCP_ERROR 10
STATUS_TEMPORARY_ERROR 6
STATUS_THROTTLED 3
STATUS_TIMEOUT 2
STATUS_TLS_ERROR 11
STATUS_UNAUTHENTICATED 13
STATUS_UNSPECIFIED 0
rpc DispatchService.Dispatch dispatch.sdk.v1.DispatchRequest dispatch.sdk.v1.DispatchResponse
rpc FunctionService.Run dispatch.sdk.v1.RunRequest dispatch.sdk.v1.RunResponse
`

func TestThePublishedContract(t *testing.T) {
	require.Equal(t, strings.TrimSpace(published), contractOf("dispatch.sdk.v1"))
	require.Equal(t, "Pickled pickled_value 1 bytes", contractOf("dispatch.sdk.python.v1"))
}

// contractOf writes the descriptors of a package down, without our additions.
func contractOf(name protoreflect.FullName) string {
	var lines []string
	protoregistry.GlobalFiles.RangeFilesByPackage(name, func(file protoreflect.FileDescriptor) bool {
		for m := range all(file.Messages()) {
			for f := range all(m.Fields()) {
				if f.Number() < 1000 {
					lines = append(lines, fmt.Sprintf("%s %s %d %s", m.Name(), f.Name(), f.Number(), typeOf(f)))
				}
			}
		}
		for e := range all(file.Enums()) {
			for v := range all(e.Values()) {
				lines = append(lines, fmt.Sprintf("%s %d", v.Name(), v.Number()))
			}
		}
		for s := range all(file.Services()) {
			for m := range all(s.Methods()) {
				lines = append(lines, fmt.Sprintf("rpc %s.%s %s %s", s.Name(), m.Name(), m.Input().FullName(), m.Output().FullName()))
			}
		}
		return true
	})
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func all[D any](list interface {
	Len() int
	Get(int) D
}) func(func(D) bool) {
	return func(yield func(D) bool) {
		for i := range list.Len() {
			if !yield(list.Get(i)) {
				return
			}
		}
	}
}

func typeOf(f protoreflect.FieldDescriptor) string {
	text := f.Kind().String()
	switch {
	case f.Message() != nil:
		text = string(f.Message().FullName())
	case f.Enum() != nil:
		text = string(f.Enum().FullName())
	}
	if f.Cardinality() == protoreflect.Repeated {
		text = "repeated " + text
	}
	if o := f.ContainingOneof(); o != nil {
		text += " in " + string(o.Name())
	}
	return text
}
