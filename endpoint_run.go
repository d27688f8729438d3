package sendoff

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/status"
	"github.com/sendoff-dev/sendoff/task"
)

// response is the answer for what a function returned.
func response(v durable.Value, err error) *sdkv1.RunResponse {
	if tail, ok := errors.AsType[*tailCall](err); ok {
		return exit(status.OK, &sdkv1.Exit{TailCall: tail.call})
	}
	result := &sdkv1.CallResult{}
	if err == nil {
		result.Output = v.Any()
		return exit(status.OK, &sdkv1.Exit{Result: result})
	}
	result.Error = wireError(err)
	res := exit(statusOf(err), &sdkv1.Exit{Result: result})
	if wait, _ := task.Wait(err); wait > 0 {
		res.Report = &sendoffv1.RunReport{RetryAfter: durationpb.New(wait)}
	}
	return res
}

func exit(s status.Code, e *sdkv1.Exit) *sdkv1.RunResponse {
	return &sdkv1.RunResponse{Status: sdkv1.Status(s), Directive: &sdkv1.RunResponse_Exit{Exit: e}}
}

func unknownFunction(name string) *sdkv1.RunResponse {
	return exit(status.NotFound, &sdkv1.Exit{Result: &sdkv1.CallResult{Error: &sdkv1.Error{
		Type: status.NotFound.String(), Message: fmt.Sprintf("this endpoint has no function %q", name),
	}}})
}

// traceFromEnvironment prints journals when SENDOFF_TRACE or DISPATCH_TRACE asks
// for it.
func traceFromEnvironment() func(string) {
	if on := firstOf("SENDOFF_TRACE", "DISPATCH_TRACE"); on == "" || on == "0" || on == "false" {
		return nil
	}
	return func(line string) { fmt.Fprintln(os.Stderr, line) }
}

// sites remembers the lines of the user's code by the stack above them.
var sites sync.Map // [siteDepth]uintptr -> string

const siteDepth = 10

// ours are the packages whose frames are not the user's code.
var ours = []string{
	"github.com/sendoff-dev/sendoff.", "github.com/sendoff-dev/sendoff/internal/durable.", "runtime.", "iter.",
}

// callSite names the line that asked for a durable operation, such as
// "orders/flow.go:42".
func callSite() string {
	var stack [siteDepth]uintptr
	n := runtime.Callers(3, stack[:])
	if text, ok := sites.Load(stack); ok {
		return text.(string)
	}
	text := siteOf(stack[:n])
	sites.Store(stack, text)
	return text
}

func siteOf(stack []uintptr) string {
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		if f.Function != "" && !isOurs(f.Function) {
			dir, file := "", f.File
			if i := strings.LastIndexByte(file, '/'); i >= 0 {
				dir, file = file[:i], file[i+1:]
			}
			return dir[strings.LastIndexByte(dir, '/')+1:] + "/" + file + ":" + strconv.Itoa(f.Line)
		}
		if !more {
			return ""
		}
	}
}

func isOurs(function string) bool {
	for _, prefix := range ours {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return false
}
