package sendoff_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/sendofftest"
)

// orderError is a registered error that wraps others.
type orderError struct {
	Order string
	Err   error `json:"-"`
}

func (e *orderError) Error() string { return "order " + e.Order + ": " + e.Err.Error() }
func (e *orderError) Unwrap() error { return e.Err }

// moneyError is a registered error at the bottom.
type moneyError struct{ Missing int }

func (e *moneyError) Error() string { return fmt.Sprintf("%d is missing", e.Missing) }

func init() {
	sendoff.RegisterError[*orderError]("errors_remote_test.orderError")
	sendoff.RegisterError[*moneyError]("errors_remote_test.moneyError")
	sendoff.RegisterErrorValue("errors_remote_test.EOF", io.ErrNoProgress)
}

// TestWhatWrapsAFailureReachesTheCaller: a function adds to the failure of a call
// or a step, and its caller sees both.
func TestWhatWrapsAFailureReachesTheCaller(t *testing.T) {
	for name, tt := range map[string]struct {
		inner       error
		wrap        func(error) error
		message     string
		kind        string
		order, cash bool
		value       error
	}{
		"as it is": {
			inner: errors.New("no money"), wrap: func(err error) error { return err },
			message: "no money", kind: "error",
		},
		"a text": {
			inner: errors.New("no money"), wrap: func(err error) error { return fmt.Errorf("charging order 7: %w", err) },
			message: "charging order 7: inner: no money", kind: "error",
		},
		"a text around a registered one": {
			inner: &moneyError{5}, wrap: func(err error) error { return fmt.Errorf("charging order 7: %w", err) },
			message: "charging order 7: inner: errors_remote_test.moneyError: 5 is missing", kind: "errors_remote_test.moneyError", cash: true,
		},
		"a registered one": {
			inner: errors.New("no money"), wrap: func(err error) error { return &orderError{"7", err} },
			message: "order 7: inner: no money", kind: "errors_remote_test.orderError", order: true,
		},
		"a registered one around another": {
			inner: &moneyError{5}, wrap: func(err error) error { return &orderError{"7", err} },
			message: "order 7: inner: errors_remote_test.moneyError: 5 is missing", kind: "errors_remote_test.orderError", order: true,
		},
		"what failed in undoing": {
			inner: &moneyError{5}, wrap: func(err error) error { return errors.Join(err, errors.New("the seat stays booked")) },
			message: "inner: errors_remote_test.moneyError: 5 is missing\nthe seat stays booked", kind: "errors_remote_test.moneyError", cash: true,
		},
		"a registered one around a registered value": {
			inner: errors.New("no money"), wrap: func(err error) error { return &orderError{"7", errors.Join(io.ErrNoProgress, err)} },
			message: "order 7: multiple Read calls return no data or error\ninner: no money", kind: "errors_remote_test.orderError", order: true,
		},
		"a registered value": {
			inner: errors.New("no money"), wrap: func(err error) error { return fmt.Errorf("%w: %w", io.ErrNoProgress, err) },
			message: "multiple Read calls return no data or error: inner: no money", kind: "errors_remote_test.EOF", value: io.ErrNoProgress,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inner := sendoff.Func("inner", func(context.Context, int) (int, error) { return 0, sendoff.Permanent(tt.inner) })
			call := sendoff.Func("call", func(ctx context.Context, _ int) (int, error) {
				_, err := inner.Await(ctx, 1)
				return 0, tt.wrap(err)
			})
			step := sendoff.Func("call", func(ctx context.Context, _ int) (int, error) {
				_, err := sendoff.Step(ctx, "inner", func(context.Context) (int, error) { return 0, sendoff.Permanent(tt.inner) })
				return 0, tt.wrap(err)
			})
			for _, f := range []*sendoff.Function[int, int]{call, step} {
				top := sendoff.Func("top", func(ctx context.Context, _ int) (int, error) { return f.Await(ctx, 1) })
				_, err := sendofftest.Run(sendofftest.New(t, top, f, inner), top, 0)
				got, ok := errors.AsType[*sendoff.CallError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, tt.message, got.Message)
				require.Equal(t, tt.kind, got.Type)
				order, ok := errors.AsType[*orderError](err)
				require.Equal(t, tt.order, ok)
				require.True(t, !ok || order.Order == "7")
				cash, ok := errors.AsType[*moneyError](err)
				require.Equal(t, tt.cash, ok)
				require.True(t, !ok || cash.Missing == 5)
				require.True(t, tt.value == nil || errors.Is(err, tt.value))
			}
		})
	}
}
