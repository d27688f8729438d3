// Package auditor is the endpoint that tests deliver to, and the judge of what
// it saw. It knows nothing of Sendoff but the headers of a push.
//
// An Auditor runs in a process of its own and appends every delivery, and the
// answer it gave, to a file. Check compares that log with what the producers
// were acknowledged, what the server says at the end and which faults were
// injected, and names every task that was lost, invented, failed, or delivered
// again without a fault that explains it.
package auditor
