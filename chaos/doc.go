// Package chaos proves that Sendoff keeps its promises when things break. Its
// tests build the real binary, put producers before it and an auditor behind
// it, and then kill it, stop it, cut its power or trace its system calls; or
// they break its database: kill -9, failover to a standby, full disks, locks,
// spells without writes, sessions that are ended.
//
// The judge is outside the system: what was acknowledged is known to the
// producers, what was delivered is in the auditor's log (chaos/auditor), and
// the faults are known to the test that injected them. From these alone follows
// whether a task was lost, was invented or ran twice without a reason.
//
// A harness that cannot fail proves nothing. The same loops run against a small
// server with planted mistakes, and have to find each of them; the power cut is
// repeated with a database that syncs too rarely, and has to lose tasks.
//
// The short forms run with the other tests; SENDOFF_HEAVY=1 runs the long ones
// (`make chaos`). -short skips them all.
package chaos
