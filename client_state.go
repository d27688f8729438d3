package sendoff

// State says where a task or a step stands. A server that is newer than this
// package may know others.
type State string

// The states of tasks; those of steps are running, the three ends, and interrupted.
const (
	StateScheduled State = "scheduled" // due later: a first run, a retry after backoff, a snooze
	StateReady     State = "ready"     // due now
	StateRunning   State = "running"   // an attempt is under way
	StateSuspended State = "suspended" // a function that waits for calls, a timer or a signal
	StateBlocked   State = "blocked"   // may not run yet; the reason tells what for
	StateSucceeded State = "succeeded" // final
	StateFailed    State = "failed"    // final: can be retried
	StateCanceled  State = "canceled"  // final

	StateInterrupted State = "interrupted" // of a step: it runs again when its function goes on
)

// Final tells whether what is in this state has ended.
func (s State) Final() bool {
	return s == StateSucceeded || s == StateFailed || s == StateCanceled
}
