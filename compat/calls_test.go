//go:build linux

package compat_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What functions return, with dispatch-py 0.8.0: each is called from outside.
func TestCalls(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := startApp(t, s)
	o := a.outside(t)

	const sumOfSquares25, sumOfSquares200 = "4900", "2646700"
	cases := []struct {
		name, function string
		args           []any
		want           string
	}{
		{"a function", "greet", []any{"there"}, `"Hello there"`},
		{"a function that returns nothing", "nothing", nil, ``},
		{"a pipeline", "pipeline", []any{2}, `12`},
		{"values", "values", nil, `true`},
		{"25 calls at a time", "squares", []any{25}, sumOfSquares25},
		{"200 calls at a time", "squares", []any{200}, sumOfSquares200},
		{"a tree", "nested", []any{4}, `16`},
		{"the first that succeeds", "any_of", nil, `"Hello any"`},
		{"none succeeds", "any_of_none", nil, `["RuntimeError: one","ValueError: two"]`},
		{"the first that ends", "race_of", []any{"never"}, `"Hello race"`},
		{"the first that ends has failed", "race_lost", []any{"never2"}, `"ValueError: first"`},
		{"an error of the app, two calls below", "caught", nil, `{"text":"no more apples","trace":true,"type":"OutOfStock"}`},
		{"one of many fails", "gather_fails", nil, `"one of many"`},
		{"a call of an unknown function", "calls_unknown", nil,
			`"RuntimeError: 404 Not Found: not_found: function 'no_such_function' does not exist"`},
		{"TemporaryError, once", "flaky", []any{"flaky1", "TemporaryError", 1}, `2`},
		{"ConnectionError, twice", "flaky", []any{"flaky2", "ConnectionError", 2}, `3`},
		{"ThrottleError, once", "flaky", []any{"flaky3", "ThrottleError", 1}, `2`},
		{"a call that is repeated", "over_flaky", []any{"flaky4"}, `20`},
		{"Reset", "countdown", []any{2, 0}, `3`},
		{"a primitive function", "primitive", []any{5}, `1018`},
		{"a primitive function that waits for nothing", "hangs", nil,
			`"PollError: the poll waits for nothing: it has no calls, none of earlier polls are open, and it has no max_wait"`},
	}
	calls := make([][]any, len(cases))
	for i, c := range cases {
		calls[i] = []any{c.function, append([]any{}, c.args...)}
	}
	ids := o.batch(calls...)
	t.Run("", func(t *testing.T) { // ends before the app does
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				in := *s
				in.process = &process{t: t}
				require.Equal(t, c.want, in.result(ids[i]))
			})
		}
	})
	a.mark("never")
	a.mark("never2")
	require.Equal(t, 1, a.marked("primitive_slept"))
	require.Equal(t, 3, a.marked("countdown"), "Reset runs the next call under the same id")
}
