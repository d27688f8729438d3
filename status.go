package sendoff

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"syscall"

	"connectrpc.com/connect"

	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/status"
	"github.com/sendoff-dev/sendoff/task"
)

// statusOf maps an error to a status as Dispatch's SDK for Go does: by what the
// error says of itself, then by the kinds of the standard library, and
// PERMANENT_ERROR for what nobody knows.
func statusOf(err error) status.Code {
	if err == nil {
		return status.OK
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return statusOfAll(joined.Unwrap())
	}
	if s, ok := ownStatus(err); ok {
		return s
	}
	if wait, _ := task.Wait(err); wait > 0 {
		return status.TemporaryError
	}
	if s := statusOfNet(err); s != status.Unspecified {
		return s
	}
	if wrapped := errors.Unwrap(err); wrapped != nil {
		return statusOf(wrapped)
	}
	return status.PermanentError
}

// ownStatus is what the outermost error says of itself.
func ownStatus(err error) (status.Code, bool) {
	if e, ok := err.(interface{ Status() status.Code }); ok {
		return e.Status(), true
	}
	if c, ok := err.(*connect.Error); ok {
		return statusOfCode(c.Code()), true
	}
	if _, ended := err.(durable.EndedError); ended || task.IsPermanent(err) {
		return status.PermanentError, true
	}
	switch err {
	case context.Canceled:
		return status.TemporaryError, true
	case context.DeadlineExceeded:
		return status.Timeout, true
	case fs.ErrInvalid:
		return status.InvalidArgument, true
	case fs.ErrPermission:
		return status.PermissionDenied, true
	case fs.ErrNotExist:
		return status.NotFound, true
	case io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrNoProgress, io.ErrShortWrite, net.ErrClosed:
		return status.TemporaryError, true
	}
	return 0, false
}

// statusOfAll is the status that all agree on.
func statusOfAll(errs []error) status.Code {
	s := status.Unspecified
	for _, err := range errs {
		if next := statusOf(err); s == status.Unspecified {
			s = next
		} else if s != next {
			return status.PermanentError
		}
	}
	if s == status.Unspecified {
		return status.PermanentError
	}
	return s
}

func statusOfNet(err error) status.Code {
	switch e := err.(type) {
	case *net.DNSError:
		return status.DNSError
	case *tls.CertificateVerificationError, tls.RecordHeaderError, tls.AlertError:
		return status.TLSError
	case *net.OpError:
		if e.Timeout() {
			return status.Timeout
		}
		if _, dns := errors.AsType[*net.DNSError](e.Err); dns {
			return status.DNSError
		}
		return status.TCPError
	case *url.Error:
		if errors.Is(e.Err, io.EOF) || errors.Is(e.Err, io.ErrUnexpectedEOF) {
			return status.TCPError
		}
	case syscall.Errno:
		return statusOfErrno(e)
	}
	if e, ok := err.(interface{ Timeout() bool }); ok && e.Timeout() {
		return status.Timeout
	}
	if e, ok := err.(interface{ Temporary() bool }); ok && e.Temporary() {
		return status.TemporaryError
	}
	return status.Unspecified
}

func statusOfErrno(e syscall.Errno) status.Code {
	switch e {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.EHOSTUNREACH, syscall.ENETUNREACH:
		return status.TCPError
	case syscall.ETIMEDOUT:
		return status.Timeout
	case syscall.EPERM, syscall.EACCES:
		return status.PermissionDenied
	case syscall.ENOENT:
		return status.NotFound
	case syscall.EINVAL:
		return status.InvalidArgument
	case syscall.EAGAIN, syscall.EINTR, syscall.EMFILE, syscall.ENFILE:
		return status.TemporaryError
	}
	return status.PermanentError
}

func statusOfCode(c connect.Code) status.Code {
	switch c {
	case connect.CodeCanceled, connect.CodeDeadlineExceeded:
		return status.Timeout
	case connect.CodeUnknown, connect.CodeInternal, connect.CodeUnavailable:
		return status.TemporaryError
	case connect.CodeInvalidArgument, connect.CodeOutOfRange:
		return status.InvalidArgument
	case connect.CodeNotFound, connect.CodeUnimplemented:
		return status.NotFound
	case connect.CodePermissionDenied:
		return status.PermissionDenied
	case connect.CodeUnauthenticated:
		return status.Unauthenticated
	case connect.CodeResourceExhausted:
		return status.Throttled
	}
	return status.PermanentError
}
