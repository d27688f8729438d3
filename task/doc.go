// Package task holds the nouns of Sendoff and the rules that belong to them
// alone: what a task is, the states it can be in, which transitions are legal,
// and what the outcome of an attempt means.
//
// Everything here is pure. Nothing reads a clock, opens a connection or knows
// where tasks are stored; the standard library is the only import. A task comes
// in as a [Spec] that internal/accept has checked, and the rooms around the
// store ask [Decide] what becomes of it after each attempt.
//
// Times are int64 microseconds since the Unix epoch, UTC, as in both database
// dialects; durations are time.Duration.
package task
