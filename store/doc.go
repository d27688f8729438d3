// Package store is the floor that all rooms stand on: the rows, the errors and
// the roles a database plays for Sendoff. Its two implementations are
// store/sqlite and store/postgres; store/storetest compares both with an
// in-memory oracle, operation by operation.
//
// A method is a whole business step on a slice, done in one transaction, and
// fenced where it changes who owns a task. An answer means that the change is
// on disk. Implementations gather concurrent calls into one transaction, so
// callers never batch for speed.
//
// # One truth, three work lists
//
// The task row holds the state and the token. ready, timer and claim say what
// to do next and are written together with the state: a ready task has one
// entry in ready, a scheduled one in timer, a running one in an open claim. One that
// is blocked waits in the line of a gate, or for what it depends on, which finds it.
//
// # Gates
//
// Whoever is inside of a gate holds its place until it has ended: the task is the
// holder, there are no passes. A canceled attempt that has not stopped is a leaver.
// Counts and numbers are given under the lock of the gate's row.
//
// # What is left to do
//
// Work that is too much for one transaction is a row of todo, written in that
// transaction and worked off afterwards: no intent lives in memory only.
//
// # Lock order
//
// Schedule by name, queue, key, gate by id, wait row by id, work list entry (ready, timer, need of one that
// is blocked) and task of what ends by id, need of its followers by id, entry and task of
// the followers, then inserts into work lists, todo last. Removing a task from a work list
// comes before changing its row, because that is the way a claim goes. Who comes to depend
// on a task locks only its row, after all keys.
//
// The interfaces are not for implementation outside this module.
package store
