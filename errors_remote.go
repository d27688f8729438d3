package sendoff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/internal/exact"
	"github.com/sendoff-dev/sendoff/status"
)

// CallError is the failure of a called function or of a step, as it was
// recorded. Errors of types that were registered with [RegisterError] are found
// in it with errors.As and errors.Is, on this and on the other side of the wire.
type CallError struct {
	Function  string // or name of the step
	Status    status.Code
	Type      string // name of the error's type, for instance "panic" or "TIMEOUT"
	Message   string
	Traceback string // where it happened, when that is known

	raw   *sdkv1.Error
	cause error
}

// Error implements error.
func (e *CallError) Error() string {
	text := e.Function + ": "
	if e.Type != "" && e.Type != "error" {
		text += e.Type + ": "
	}
	return text + e.Message
}

// Unwrap returns the error of a registered type, or nil.
func (e *CallError) Unwrap() error { return e.cause }

// PanicError is a panic in the body of a step. It is retried like any other
// error, and reaches the function in a [*CallError].
type PanicError struct {
	Message string // the value that was panicked with
	Stack   string
}

// Error implements error.
func (e *PanicError) Error() string { return "panic: " + e.Message }

// remoteTypes are the types of errors that keep their identity.
var remoteTypes = struct {
	sync.RWMutex
	decode map[string]func([]byte) (error, bool)
	names  map[reflect.Type]string
	values map[string]error
}{
	decode: make(map[string]func([]byte) (error, bool)),
	names:  make(map[reflect.Type]string),
	values: make(map[string]error),
}

// RegisterError gives the errors of type E a name on the wire and in journals,
// so that errors.As finds them in what a call or a step failed with. They
// travel as JSON. Call it in an init function, with the same name in every
// program; it panics when the name is taken by another type.
func RegisterError[E error](name string) {
	t := reflect.TypeFor[E]()
	remoteTypes.Lock()
	defer remoteTypes.Unlock()
	if known, ok := remoteTypes.names[t]; ok && known == name {
		return
	}
	if _, taken := remoteTypes.decode[name]; taken || remoteTypes.values[name] != nil {
		panic("sendoff: RegisterError: the name " + name + " is taken")
	}
	remoteTypes.names[t] = name
	remoteTypes.decode[name] = func(text []byte) (error, bool) {
		var e E
		err := exact.Unmarshal(text, &e)
		return e, err == nil
	}
}

// RegisterErrorValue does for one error value, such as io.EOF, what
// [RegisterError] does for a type: errors.Is finds it on the other side.
func RegisterErrorValue(name string, err error) {
	remoteTypes.Lock()
	defer remoteTypes.Unlock()
	if known := remoteTypes.values[name]; known != nil && known == err {
		return
	}
	if _, taken := remoteTypes.decode[name]; taken || remoteTypes.values[name] != nil {
		panic("sendoff: RegisterErrorValue: the name " + name + " is taken")
	}
	remoteTypes.values[name] = err
}

func init() { RegisterError[*PanicError]("panic") }

// encodeError makes the recorded form of an error. That of a call or a step is
// passed on as it is; what wraps it adds its text, and its type when that is
// registered.
func encodeError(err error) *sdkv1.Error {
	call, _ := errors.AsType[*CallError](err)
	if call != nil && call.raw == nil {
		call = nil // made by hand
	}
	switch e := err.(type) {
	case *CallError:
		if call == e {
			return e.raw
		}
	case *recordedError:
		if call == e.CallError {
			return e.raw
		}
	}
	out := &sdkv1.Error{Message: strings.ToValidUTF8(err.Error(), "?")}
	out.Type, out.Value = registered(err)
	switch {
	case call != nil && out.Type == "":
		out.Type, out.Value = call.raw.GetType(), call.raw.GetValue()
	case out.Type == "":
		out.Type = typeName(err)
	}
	if call != nil {
		out.Traceback = call.raw.GetTraceback()
	}
	if p, ok := errors.AsType[*PanicError](err); ok && call == nil {
		out.Traceback = []byte(p.Stack)
		if err == error(p) {
			out.Message = p.Message
		}
	}
	return out
}

// registered finds the first error of the chain that keeps its identity.
func registered(err error) (name string, value []byte) {
	remoteTypes.RLock()
	defer remoteTypes.RUnlock()
	for e := range chain(err) {
		if name, text, ok := registeredAs(e); ok {
			return name, errorValue(text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(remoteTypes.values)) { // by a method Is
		if errors.Is(err, remoteTypes.values[name]) {
			return name, errorValue(nil)
		}
	}
	return "", nil
}

// registeredAs is the name of one error, itself, and the JSON of it when it is
// one of a registered type.
func registeredAs(e error) (name string, text []byte, ok bool) {
	t := reflect.TypeOf(e)
	if name, ok := remoteTypes.names[t]; ok {
		text, err := json.Marshal(e)
		return name, text, err == nil
	}
	if !t.Comparable() {
		return "", nil, false
	}
	for _, name := range slices.Sorted(maps.Keys(remoteTypes.values)) {
		if known := remoteTypes.values[name]; reflect.TypeOf(known) == t && known == e {
			return name, nil, true
		}
	}
	return "", nil, false
}

// errorValue wraps the JSON of an error in the type that marks it as ours.
func errorValue(text []byte) []byte {
	a, err := anypb.New(&sendoffv1.JSON{Json: text})
	if err != nil {
		return nil
	}
	b, _ := proto.Marshal(a) // of two fields that were marshaled before
	return b
}

func chain(err error) func(func(error) bool) {
	return func(yield func(error) bool) { walk(err, yield) }
}

func walk(err error, yield func(error) bool) bool {
	if err == nil {
		return true
	}
	if !yield(err) {
		return false
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return walk(e.Unwrap(), yield)
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if !walk(one, yield) {
				return false
			}
		}
	}
	return true
}

// typeName is the name of an error's type for people; "error" for those that
// only carry a text.
func typeName(err error) string {
	switch err {
	case durable.EndedError{Cause: context.Canceled}:
		return "canceled"
	case durable.EndedError{Cause: context.DeadlineExceeded}:
		return status.Timeout.String() // the call may be repeated, with a result of its own
	}
	t := reflect.TypeOf(err)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.PkgPath() {
	case "errors", "fmt", "github.com/sendoff-dev/sendoff/task":
		if inner := errors.Unwrap(err); inner != nil {
			return typeName(inner)
		}
		return "error"
	}
	return t.String()
}

// decodeCallError makes the error of a call or a step from its recorded form.
func decodeCallError(function string, raw *sdkv1.Error) *CallError {
	e := &CallError{
		Function: function, Status: statusNamed(raw.GetType()), Type: raw.GetType(), Message: raw.GetMessage(),
		Traceback: string(raw.GetTraceback()), raw: raw,
	}
	e.cause = decodeCause(raw)
	return e
}

func decodeCause(raw *sdkv1.Error) error {
	var a anypb.Any
	if len(raw.GetValue()) == 0 || proto.Unmarshal(raw.GetValue(), &a) != nil {
		return nil
	}
	var text sendoffv1.JSON
	if a.UnmarshalTo(&text) != nil {
		return nil
	}
	remoteTypes.RLock()
	known, decode := remoteTypes.values[raw.GetType()], remoteTypes.decode[raw.GetType()]
	remoteTypes.RUnlock()
	if known != nil || decode == nil {
		return known
	}
	if err, ok := decode(text.GetJson()); ok {
		return err
	}
	return nil
}

// statusNamed reads a status that a server gave as the type of an error.
func statusNamed(name string) status.Code {
	n, ok := sdkv1.Status_value["STATUS_"+strings.TrimPrefix(name, "STATUS_")]
	if !ok || n == 0 {
		return status.PermanentError
	}
	return status.Code(n)
}

// recordedError is what a function ends with that returns the error of a call or a
// step. What is on record would only be met again, so it is final; a step that
// failed just now is run again with the function.
type recordedError struct {
	*CallError
	final bool
}

func (e *recordedError) Unwrap() error { return e.CallError }

// Status implements the interface that statusOf looks for.
func (e *recordedError) Status() status.Code {
	if e.final && e.CallError.Status.Temporary() {
		return status.PermanentError
	}
	return e.CallError.Status
}

// stepPanic is the error of a step whose body panicked.
func stepPanic(value any) error {
	return &PanicError{Message: strings.ToValidUTF8(fmt.Sprint(value), "?"), Stack: string(debug.Stack())}
}

// futureError is the error of a future that failed; nil when it did not.
func futureError(name string, f *durable.Future) error {
	switch {
	case f.Err() != nil:
		return f.Err()
	case f.Fail() != nil:
		return &recordedError{decodeCallError(name, f.Fail()), f.Final()}
	}
	return nil
}
