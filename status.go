package sendoff

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"

	"connectrpc.com/connect"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/task"
)

// Status is how a call of a function ended, as in the protocol of Dispatch. An
// error may choose its own with a method Status() Status.
type Status int32

// The statuses. A server tries those again that are marked so.
const (
	StatusUnspecified       Status = 0
	StatusOK                Status = 1
	StatusTimeout           Status = 2 // again
	StatusThrottled         Status = 3 // again
	StatusInvalidArgument   Status = 4
	StatusInvalidResponse   Status = 5
	StatusTemporaryError    Status = 6 // again
	StatusPermanentError    Status = 7
	StatusIncompatibleState Status = 8  // again, from the input
	StatusDNSError          Status = 9  // again
	StatusTCPError          Status = 10 // again
	StatusTLSError          Status = 11 // again
	StatusHTTPError         Status = 12 // again
	StatusUnauthenticated   Status = 13
	StatusPermissionDenied  Status = 14
	StatusNotFound          Status = 15
)

// String returns the name of the status in the protocol, such as "TEMPORARY_ERROR".
func (s Status) String() string {
	return strings.TrimPrefix(sdkv1.Status(s).String(), "STATUS_")
}

// Temporary tells whether a server tries again what ended so.
func (s Status) Temporary() bool {
	switch s {
	case StatusTimeout, StatusThrottled, StatusTemporaryError, StatusIncompatibleState,
		StatusDNSError, StatusTCPError, StatusTLSError, StatusHTTPError:
		return true
	}
	return false
}

// statusOf maps an error to a status as Dispatch's SDK for Go does: by what the
// error says of itself, then by the kinds of the standard library, and
// PERMANENT_ERROR for what nobody knows.
func statusOf(err error) Status {
	if err == nil {
		return StatusOK
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return statusOfAll(joined.Unwrap())
	}
	if s, ok := ownStatus(err); ok {
		return s
	}
	if wait, _ := task.Wait(err); wait > 0 {
		return StatusTemporaryError
	}
	if s := statusOfNet(err); s != StatusUnspecified {
		return s
	}
	if wrapped := errors.Unwrap(err); wrapped != nil {
		return statusOf(wrapped)
	}
	return StatusPermanentError
}

// ownStatus is what the outermost error says of itself.
func ownStatus(err error) (Status, bool) {
	if e, ok := err.(interface{ Status() Status }); ok {
		return e.Status(), true
	}
	if c, ok := err.(*connect.Error); ok {
		return statusOfCode(c.Code()), true
	}
	if _, ended := err.(durable.EndedError); ended || task.IsPermanent(err) {
		return StatusPermanentError, true
	}
	switch err {
	case context.Canceled:
		return StatusTemporaryError, true
	case context.DeadlineExceeded:
		return StatusTimeout, true
	case fs.ErrInvalid:
		return StatusInvalidArgument, true
	case fs.ErrPermission:
		return StatusPermissionDenied, true
	case fs.ErrNotExist:
		return StatusNotFound, true
	case io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrNoProgress, io.ErrShortWrite, net.ErrClosed:
		return StatusTemporaryError, true
	}
	return 0, false
}

// statusOfAll is the status that all agree on.
func statusOfAll(errs []error) Status {
	s := StatusUnspecified
	for _, err := range errs {
		if next := statusOf(err); s == StatusUnspecified {
			s = next
		} else if s != next {
			return StatusPermanentError
		}
	}
	if s == StatusUnspecified {
		return StatusPermanentError
	}
	return s
}

func statusOfNet(err error) Status {
	switch e := err.(type) {
	case *net.DNSError:
		return StatusDNSError
	case *tls.CertificateVerificationError, tls.RecordHeaderError, tls.AlertError:
		return StatusTLSError
	case *net.OpError:
		if e.Timeout() {
			return StatusTimeout
		}
		if _, dns := errors.AsType[*net.DNSError](e.Err); dns {
			return StatusDNSError
		}
		return StatusTCPError
	case *url.Error:
		if errors.Is(e.Err, io.EOF) || errors.Is(e.Err, io.ErrUnexpectedEOF) {
			return StatusTCPError
		}
	case syscall.Errno:
		return statusOfErrno(e)
	}
	if e, ok := err.(interface{ Timeout() bool }); ok && e.Timeout() {
		return StatusTimeout
	}
	if e, ok := err.(interface{ Temporary() bool }); ok && e.Temporary() {
		return StatusTemporaryError
	}
	return StatusUnspecified
}

func statusOfErrno(e syscall.Errno) Status {
	switch e {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		return StatusTCPError
	case syscall.ETIMEDOUT:
		return StatusTimeout
	case syscall.EPERM, syscall.EACCES:
		return StatusPermissionDenied
	case syscall.ENOENT:
		return StatusNotFound
	case syscall.EINVAL:
		return StatusInvalidArgument
	case syscall.EAGAIN, syscall.EINTR, syscall.EMFILE, syscall.ENFILE:
		return StatusTemporaryError
	}
	return StatusPermanentError
}

func statusOfCode(c connect.Code) Status {
	switch c {
	case connect.CodeCanceled, connect.CodeDeadlineExceeded:
		return StatusTimeout
	case connect.CodeUnknown, connect.CodeInternal, connect.CodeUnavailable:
		return StatusTemporaryError
	case connect.CodeInvalidArgument, connect.CodeOutOfRange:
		return StatusInvalidArgument
	case connect.CodeNotFound, connect.CodeUnimplemented:
		return StatusNotFound
	case connect.CodePermissionDenied:
		return StatusPermissionDenied
	case connect.CodeUnauthenticated:
		return StatusUnauthenticated
	case connect.CodeResourceExhausted:
		return StatusThrottled
	}
	return StatusPermanentError
}
