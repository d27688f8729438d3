package protocol

import (
	"strings"

	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/task"
)

// The types of errors that this server makes, beside the names of statuses
// (see [StatusName]). SDKs show them as the class of the error.
const (
	TypeTimeout  = "TimeoutError" // the call expired
	TypeCanceled = "Canceled"     // somebody canceled it, or deleted it
	TypePoll     = "PollError"    // the calls of a poll could not be made
	TypeTooLarge = "ResultTooLarge"
)

// StatusName is a status without its prefix: "PERMANENT_ERROR".
func StatusName(s sdkv1.Status) string { return strings.TrimPrefix(s.String(), "STATUS_") }

// Encode serializes a message; what it holds was decoded before, so it can be.
func Encode(m proto.Message) []byte {
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return b
}

// End is how a call ended, as the store knows it.
type End struct {
	ID     task.ID
	State  task.State
	Reason task.Reason
	Error  string // of the last attempt
	Body   []byte // a serialized CallResult; empty when no executor worded the end
}

// Result is the result of a call that has ended. A call that did not succeed
// always has an error, because there is no other sign of it in a CallResult.
func Result(e *End) *sdkv1.CallResult {
	r := &sdkv1.CallResult{}
	if err := proto.Unmarshal(e.Body, r); err != nil {
		r = &sdkv1.CallResult{Error: &sdkv1.Error{Type: StatusName(sdkv1.Status_STATUS_INVALID_RESPONSE), Message: "the stored result cannot be read"}}
	}
	r.DispatchId = e.ID.String()
	if e.State == task.Canceled {
		r.Output, r.Error = nil, canceled(e.Reason, r.Error)
	}
	if e.State != task.Succeeded && r.Error == nil {
		r.Error = e.error()
	}
	return r
}

// canceled is the error of a call that was canceled. One that undid what it did first
// says what went wrong with that.
func canceled(why task.Reason, fail *sdkv1.Error) *sdkv1.Error {
	text := "the call was canceled"
	switch why {
	case task.Skipped:
		text = "the call was not made, by its rule for duplicates: another one with its duplicate key has not ended"
	case task.Replaced:
		text = "the call was replaced by a later one with its duplicate key"
	default:
	}
	if fail != nil && !OnlyCanceled(fail) {
		text += "; " + strings.TrimPrefix(fail.GetType()+": "+fail.GetMessage(), ": ")
	}
	return &sdkv1.Error{Type: TypeCanceled, Message: text}
}

// OnlyCanceled tells whether an error says no more than that the function's context
// had ended because the call was canceled, as Sendoff's SDK words it.
func OnlyCanceled(fail *sdkv1.Error) bool { return strings.EqualFold(fail.GetType(), TypeCanceled) }

func (e *End) error() *sdkv1.Error {
	switch {
	case e.Reason == task.Expired:
		text := "the call expired"
		if e.Error != "" {
			text += "; before that: " + e.Error
		}
		return &sdkv1.Error{Type: TypeTimeout, Message: text}
	case e.State == task.Failed && e.Error != "":
		return &sdkv1.Error{Type: StatusName(sdkv1.Status_STATUS_PERMANENT_ERROR), Message: e.Error}
	case e.State == task.Failed:
		return &sdkv1.Error{Type: StatusName(sdkv1.Status_STATUS_PERMANENT_ERROR), Message: "the call failed: " + e.Reason.String()}
	}
	return &sdkv1.Error{Type: TypeCanceled, Message: "the call is gone: it was deleted before it ended"}
}
