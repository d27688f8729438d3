package store

import "github.com/sendoff-dev/sendoff/task"

// CanceledError is the error of an attempt that was under way when its task was
// canceled.
const CanceledError = "the task was canceled while it ran"

// RestartedError is the error of an attempt that was under way when its
// function was restarted.
const RestartedError = "the function was restarted while it ran"

// LostTransition is how the attempt of a running task ends when its node was
// lost. Whoever applies it advances the token as well, so that a node which
// only slept settles nothing afterwards.
func LostTransition(row *Row) Transition {
	t := Transition{ID: row.ID, Token: row.Token, Outcome: task.Interrupt, Error: "the node that ran it was lost"}
	if row.Kind == task.Local {
		t.Outcome, t.Error = task.Crash, "the process that ran it was lost"
	}
	t.Decision = task.DecideLost(row.Kind, task.Attempt{Failures: row.Failures, Crashes: row.Crashes, FirstStarted: row.FirstStarted})
	return t
}
