package jobgraph

import (
	"errors"
	"fmt"
	"strings"
)

// DefinitionError says what is wrong with a graph or with the settings of a run.
// Nothing was called.
type DefinitionError struct {
	Job  string // the one that is wrong, "" for none in particular
	Text string // what is wrong, and what would be right
}

func (e *DefinitionError) Error() string {
	if e.Job == "" {
		return e.Text
	}
	return fmt.Sprintf("job %q: %s", e.Job, e.Text)
}

func wrong(job, format string, args ...any) error {
	return &DefinitionError{Job: job, Text: fmt.Sprintf(format, args...)}
}

// CannotTell returns an error for a Check that found out neither way: the attempt
// fails without a Run, which might do damage where nothing is known.
func CannotTell(reason error) error { return &cannotTell{reason} }

type cannotTell struct{ reason error }

func (e *cannotTell) Error() string { return e.reason.Error() }
func (e *cannotTell) Unwrap() error { return e.reason }

// Skip returns an error for a Check that finds its job beside the point in this run:
// it ends skipped, and those that need it go on as if it were done.
func Skip(reason string) error { return &skip{reason} }

type skip struct{ reason string }

func (e *skip) Error() string { return e.reason }

// PanicError is what a call failed with when it panicked, or when its goroutine
// ended before it returned ([runtime.Goexit]; Value is nil then).
type PanicError struct {
	Value any
	Stack []byte // of the panic, for people
}

func (e *PanicError) Error() string {
	if e.Value == nil {
		return "the goroutine of the call ended before it returned"
	}
	return fmt.Sprintf("panic: %v", e.Value)
}

// Trace is the stack.
func (e *PanicError) Trace() string { return string(e.Stack) }

// What an error of a Check means beyond its text, for [Meaning].
const (
	MeansCannotTell = "cannot_tell" // it is one of [CannotTell]
	MeansSkip       = "skip"        // it is one of [Skip]
	MeansRunOnly    = "run_only"    // it is [ErrRunOnly]
)

// Meaning tells what an error means to a run beyond its text, "" for nothing.
func Meaning(err error) string {
	switch {
	case isA[*cannotTell](err):
		return MeansCannotTell
	case isA[*skip](err):
		return MeansSkip
	case errors.Is(err, ErrRunOnly):
		return MeansRunOnly
	}
	return ""
}

// ErrorType is the type of an error for people and for JSON: what it calls itself
// with a method ErrorType, or its Go type.
func ErrorType(err error) string {
	if own, ok := errors.AsType[interface {
		error
		ErrorType() string
	}](err); ok {
		return own.ErrorType()
	}
	if inner, ok := err.(*cannotTell); ok { //nolint:errorlint // the outermost only
		return ErrorType(inner.reason)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
}
