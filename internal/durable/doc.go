// Package durable runs functions that survive their process: it journals what
// a function asked for and what came of it, and brings the function back to
// where it was by running it again over that journal.
//
// It is the untyped core of the SDK. Package sendoff puts types, options and
// errors on top of it.
//
//   - A [Run] is one call of a function. Its code runs in branches, each a
//     coroutine (iter.Pull). Only one branch runs at a time. A run goes on until
//     every branch is parked, then takes one event, and goes on until all are
//     parked again. The order of events is recorded, so a replay interleaves
//     the branches as they were.
//   - What a branch asks for is a command, known by its branch and its number
//     in it. What comes of a command is an event.
//   - [Host] answers the requests of a server: it finds the suspended run in
//     memory or replays its journal, and says where the journal is kept: in
//     the state of the poll (any Dispatch server), or at the server, which gets
//     only what is new (Sendoff).
//
// The package knows no HTTP and no types of users; it never blocks a branch on
// anything but the scheduler.
package durable
