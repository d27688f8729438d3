// Package function carries a durable function out: one attempt is one run, a
// request to the FunctionService of the endpoint that serves it, by the protocol
// of Dispatch.
//
// The answer says that the function has ended, that it waits for calls, or that
// it goes on as another one; [Executor.Execute] turns it into an outcome with its
// progress. What happens then - which calls are stored, when the function is
// resumed - is for task.Decide and the settler. The package knows no store: what
// a function is told when it is resumed is given to it by two functions.
//
// Each endpoint is called with as many runs at a time as it can take, which is
// found out by additive increase and multiplicative decrease; an endpoint that
// refuses us altogether is left alone for a while. Both live in memory, on each
// node by itself. See [Executor.Stats].
package function
