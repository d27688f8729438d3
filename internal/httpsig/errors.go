package httpsig

import "errors"

// The errors of verification. What is returned wraps one of them.
var (
	ErrNoKeys     = errors.New("no key to verify signatures with is configured")
	ErrUnsigned   = errors.New("request is not signed")
	ErrMalformed  = errors.New("signature headers cannot be read")
	ErrIncomplete = errors.New("signature does not cover enough")
	ErrUnknownKey = errors.New("signature was made with an unknown key")
	ErrMismatch   = errors.New("signature does not match the request")
	ErrDigest     = errors.New("content digest does not match the body")
	ErrStale      = errors.New("signature is too old or from the future")
	ErrReplayed   = errors.New("signature was used before")
)
