// Package process carries tasks out in processes of their own: by a warm worker of a
// [Pool], or by a command that is started for the task.
//
// A worker is a program that reads frames from one end of a socket and writes frames
// back, a line of JSON each; docs/workers.md describes them. The worker for Python is
// part of this package. What a worker prints is not part of the protocol: its output has
// pipes of its own and is kept with the attempt.
//
// Workers are started by a guardian, a small process between the server and them, which
// ends all that descends from it when the server is gone, and is the first to know when
// one of them is. Where there can be none, the pool starts them itself: then they end
// with the server, and what they started may not.
//
// The package knows neither the database nor what becomes of a task: that is the
// business of task.Decide.
package process
