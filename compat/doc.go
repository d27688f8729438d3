// Package compat tests that the SDKs of Dispatch work with Sendoff as they are.
//
// dispatch-py 0.8.0, which speaks Connect, and 0.7.1, which speaks gRPC, are
// installed from PyPI by scripts/setup-python and run against the built binary:
// the apps under testdata serve functions as an app of Dispatch does, and the
// tests call them, kill them and the server, and look at what came out. The tests
// that dispatch-py 0.8.0 ships run as well, with Sendoff in place of the scheduler
// that is built into them.
//
// DoJobber 0.6.3 is not replaced but stood in for: it and our module of its name run
// the same graphs, and what they do is compared.
//
// Where an SDK has a fault that users will meet, a test holds it down: it fails
// when the fault is gone, and then docs/dispatch.md has to change.
package compat
