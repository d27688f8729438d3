package push

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/task"
)

// maxReason bounds texts that quote what an endpoint sent.
const maxReason = 300

// reason says in a few words why there was no answer.
func reason(err error) string {
	if refused, ok := errors.AsType[*egress.RefusedError](err); ok {
		return refused.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "no such host"
		}
		return "the host name could not be resolved"
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error() // "connection refused"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed before the end of the answer"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && op.Timeout() {
		return "no connection: timed out"
	}
	text := strings.TrimPrefix(err.Error(), "net/http: ")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "..."
	}
	return text
}

// unsendable is the outcome for a URL that the egress guard does not accept: a
// refused address can be opened by an operator, a malformed one never works.
func unsendable(err error) task.Class {
	if errors.Is(err, egress.ErrRefused) {
		return task.Failure
	}
	return task.Reject
}
