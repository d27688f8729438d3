package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"

	"github.com/sendoff-dev/sendoff"
)

// The exit codes that are promised.
const (
	exitOK     = 0
	exitError  = 1
	exitUsage  = 2
	exitFailed = 3 // the task that was waited for did not succeed
)

// exit is how a command ends with another code than 1.
type exit struct {
	code int
	err  error // nil = say nothing
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

// report says what went wrong, and what to do about it, and returns the exit code.
func (t *terminal) report(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitError
	if e, ok := errors.AsType[*exit](err); ok {
		if code = e.code; e.err == nil {
			return code
		}
	}
	fmt.Fprintf(t.stderr, "sendoff: %s\n", explain(err))
	return code
}

// explain adds the fix where the error itself cannot know it.
func explain(err error) string {
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
		return fmt.Sprintf("cannot reach %s: %s\ncheck --url or SENDOFF_URL", server, u.Err)
	}
	return err.Error()
}
