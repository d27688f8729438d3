// Package graphrun runs graphs of jobs durably: a run of a jobgraph.Graph is a
// durable function, and each attempt at a job is a call of it, a task of its own.
// What was achieved stays so when a node is killed, and the run goes on where it
// was.
//
//	nights, err := graphrun.New("movienight", graphrun.Config{Goal: watchMovie})
//	endpoint, err := nights.Serve(sendoff.EndpointConfig{...})
//	run, err := nights.Start(ctx, graphrun.Input{Parallel: 4}, sendoff.NewTask{})
//	result, err := nights.Wait(ctx, run.ID)
//
// The board of package jobgraph decides here as it does in one process, so that
// states, attempts and order are the same. What differs: storage and results are
// JSON, and the value of a job made with jobgraph.Of is made anew for each call.
//
// The package knows the SDK and package jobgraph, no server and no file format.
package graphrun
