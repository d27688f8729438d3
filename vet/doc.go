// Package vet finds mistakes in code that uses durable functions: what makes a
// replay differ from the run, what is lost in one, and what blocks a function
// that should be suspended. [Rules] lists them.
//
// Durable code is code that is given to sendoff.Func, Go or Loop, or is called
// by such code, and that reaches a durable operation. Rules about durable code
// hold there and nowhere else: a function that calls no durable operation may
// read clocks and open connections, and so may the body of a Step. Functions of
// the same module that durable code calls are followed, across packages as well;
// the standard library and other modules are not.
//
// It is run in three ways:
//
//	sendoff vet ./...
//	go vet -vettool=$(which sendoff) ./...
//
// or as [Analyzer] in any driver of golang.org/x/tools/go/analysis, for instance
// as a module plugin of golangci-lint.
//
// A finding that is fine is allowed on its line or the line before, with a
// reason:
//
//	//sendoff:allow SENDOFF2003 only for the log
//	began := time.Now()
//
// The package knows the SDK by names and types only and does not import it.
package vet
