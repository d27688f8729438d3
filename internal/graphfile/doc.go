// Package graphfile reads job graphs from YAML files and makes jobs of package
// jobgraph of them.
//
// [Load] and [Parse] check all that can be known without inputs, [File.Goal] the
// rest; either names file and line of each mistake, and nothing has been called
// then. The calls of the jobs are commands, HTTP requests and process tasks. Each
// is given a JSON document and may answer with one: see [Document] and [Answer].
//
// The format is told to people in docs/graphs.md and to editors by [Schema]. The
// package knows no command line and no server.
package graphfile
