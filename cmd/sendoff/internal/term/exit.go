package term

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"syscall"

	"github.com/sendoff-dev/sendoff"
)

// The exit codes that are promised.
const (
	ExitOK     = 0
	ExitError  = 1
	ExitUsage  = 2 // a flag or an argument is wrong
	ExitFailed = 3 // the task that was waited for did not succeed
)

// Exit is how a command ends with another code than 1.
type Exit struct {
	Code int
	Err  error // nil = say nothing
}

func (e *Exit) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Exit) Unwrap() error { return e.Err }

// Usage is a person's mistake in flags or arguments. The text says what would be
// right.
func Usage(format string, args ...any) error {
	return &Exit{ExitUsage, fmt.Errorf(format, args...)}
}

// Report says what went wrong, and what to do about it, and returns the exit code.
func (t *Terminal) Report(err error) int {
	if err == nil {
		return ExitOK
	}
	code := ExitError
	if e, ok := errors.AsType[*Exit](err); ok {
		if code = e.Code; e.Err == nil {
			return code
		}
	}
	fmt.Fprintf(t.Stderr, "sendoff: %s\n", Explain(err))
	return code
}

// Explain adds the fix where the error itself cannot know it.
func Explain(err error) string {
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	if p, ok := errors.AsType[*sendoff.Problem](err); ok {
		if p.Status == 401 {
			return err.Error() + "\nset SENDOFF_API_KEY, or give --api-key"
		}
		return err.Error()
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		server := u.URL
		if parsed, err := url.Parse(u.URL); err == nil {
			server = parsed.Scheme + "://" + parsed.Host
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Sprintf("cannot connect to %s: connection refused\nis the server running? start it with: sendoff serve\nor name another one with --url or SENDOFF_URL", server)
		}
		if untrusted(u.Err) {
			return fmt.Sprintf("cannot trust %s: %s\nname the authority that vouches for it with --ca FILE or SENDOFF_CA, or the host that its certificate is for with --url", server, u.Err)
		}
		return fmt.Sprintf("cannot reach %s: %s\ncheck --url or SENDOFF_URL", server, u.Err)
	}
	return err.Error()
}

// untrusted tells whether the certificate of a server is what is wrong.
func untrusted(err error) bool {
	_, is := errors.AsType[*tls.CertificateVerificationError](err)
	return is
}
