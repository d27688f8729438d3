// Package status has the words for how a call of a durable function ends, as in the
// protocol of Dispatch. An error chooses its own with a method Status() status.Code:
//
//	func (soldOut) Status() status.Code { return status.NotFound }
//
// It knows nothing else, so that errors which say their status depend on nothing else.
package status

import "strconv"

// Code is how a call of a function ended.
type Code int32

// The codes of the protocol. A server tries those again that are marked so.
const (
	Unspecified       Code = 0
	OK                Code = 1
	Timeout           Code = 2 // again
	Throttled         Code = 3 // again
	InvalidArgument   Code = 4
	InvalidResponse   Code = 5
	TemporaryError    Code = 6 // again
	PermanentError    Code = 7
	IncompatibleState Code = 8  // again, from the input
	DNSError          Code = 9  // again
	TCPError          Code = 10 // again
	TLSError          Code = 11 // again
	HTTPError         Code = 12 // again
	Unauthenticated   Code = 13
	PermissionDenied  Code = 14
	NotFound          Code = 15
)

var names = [...]string{
	Unspecified: "UNSPECIFIED", OK: "OK", Timeout: "TIMEOUT", Throttled: "THROTTLED", InvalidArgument: "INVALID_ARGUMENT",
	InvalidResponse: "INVALID_RESPONSE", TemporaryError: "TEMPORARY_ERROR", PermanentError: "PERMANENT_ERROR",
	IncompatibleState: "INCOMPATIBLE_STATE", DNSError: "DNS_ERROR", TCPError: "TCP_ERROR", TLSError: "TLS_ERROR",
	HTTPError: "HTTP_ERROR", Unauthenticated: "UNAUTHENTICATED", PermissionDenied: "PERMISSION_DENIED", NotFound: "NOT_FOUND",
}

// String returns the name of the code in the protocol, such as "TEMPORARY_ERROR",
// and the number of one that is not known here.
func (c Code) String() string {
	if c < 0 || int(c) >= len(names) {
		return strconv.Itoa(int(c))
	}
	return names[c]
}

// Temporary tells whether a server tries again what ended so.
func (c Code) Temporary() bool {
	switch c {
	case Timeout, Throttled, TemporaryError, IncompatibleState, DNSError, TCPError, TLSError, HTTPError:
		return true
	}
	return false
}
