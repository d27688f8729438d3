// Package jobgraph runs graphs of small idempotent jobs until a goal is reached.
//
// A [Job] says how to tell that something is done (Check) and how to do it (Run).
// A run begins at a goal and makes everything below it true, in the right order:
// an attempt at a job calls Check, and when that fails calls Run and then Check
// again, the recheck, which alone decides. A job that failed is tried again after
// the others had their turn, a branch that cannot go on leaves the other branches
// alone, and the same program may be started again and again: what is in place
// stays as it is.
//
//	tv := &jobgraph.Job{Name: "TurnOnTV", Check: tvIsOn, Run: pressPower}
//	movie := jobgraph.Group("WatchMovie", tv, popcorn)
//	result, err := jobgraph.Run(ctx, movie, jobgraph.Config{Parallel: 4})
//
// [Graph.Plan] asks the Checks and runs nothing. A [Result] is shown with
// [Result.Drawing] and the package draw, or as JSON.
//
// The semantics are those of DoJobber 0.6 (https://pypi.org/project/DoJobber/),
// with the departures that docs/graphs.md lists. With Parallel 1 and no delays the
// order of calls is exactly its order.
//
// The package knows the standard library and the words of the package task, no
// server and no file format.
package jobgraph
