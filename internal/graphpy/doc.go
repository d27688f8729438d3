// Package graphpy runs graphs whose jobs are Python classes of DoJobber.
//
// A [Host] serves a module dojobber of its own, with the names of the real one, to
// Python processes. The module has no scheduler: jobs are run by package jobgraph,
// and their calls are carried out by the process that defined them, where their
// objects live. There are two ways in. [Host.Load] starts Python for a class in a
// file; [Host.Exec] runs a script that runs its graphs itself.
//
// # Channel
//
// A process connects to the socket that SENDOFF_GRAPH names, once for each graph,
// so that threads, children and jobs may have graphs of their own. A message is a
// JSON object on one line. Python asks, one thing at a time:
//
//	{"ask": "graph", "process", "jobs": [{"name", "deps": [index], "cleanup", "tries", "retry_delay"}], ...}
//	{"ask": "run", "only"}, {"ask": "cleanup"}, {"ask": "draw", "format"}
//	{"ask": "serve", "process", "jobs"}        as graph, answered when no more calls will come
//	{"ask": "refuse", "error"}                 in place of serve: there is no graph
//	{"ask": "cancel"}                          at any time, has no answer
//
// and is answered {"answer": {...}} or {"answer": {}, "refused": TEXT}. Until then
// it is sent
//
//	{"begin": {"args", "kwargs"}}              the arguments of a run
//	{"id", "call": "check|run|recheck|cleanup", "job": index, "attempt", "threads"}
//	{"say": TEXT}, {"log": TEXT}               for stderr, for the logger of DoJobber
//
// and replies to calls, in any order where they have threads:
//
//	{"id", "result"} or {"id", "error": {"type", "message", "trace"}, "unmade"}
//
// The first check of an attempt makes its object; unmade tells that it could not.
package graphpy
