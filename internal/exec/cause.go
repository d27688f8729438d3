package exec

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/sendoff-dev/sendoff/task"
)

// CauseOf says why a round trip brought no answer.
func CauseOf(err error) task.Cause {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return task.CauseDNS
	}
	switch {
	case err == nil:
		return task.NoCause
	case isTLS(err):
		return task.CauseTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return task.CauseRefused
	case closed(err):
		return task.CauseReset
	case timedOut(err):
		return task.CauseTimeout
	}
	return task.NoCause
}

// Unreachable tells whether there was no connection at all.
func Unreachable(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// closed tells whether the other side, or something between, ended the connection.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EPIPE)
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) || ok && timeout.Timeout()
}

// isTLS tells whether the two sides could not agree on a secure connection. Not
// every such error has a type.
func isTLS(err error) bool {
	_, alert := errors.AsType[tls.AlertError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	return alert || record || verify || host || authority || strings.Contains(err.Error(), "tls: ") ||
		strings.Contains(err.Error(), "TLS handshake")
}
