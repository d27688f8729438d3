package task

import "slices"

import "fmt"

// State says where a task stands. Three states are final.
type State int16

// The values are stored; never renumber them.
const (
	Ready     State = 1 // due now, waiting for a claim
	Running   State = 2 // claimed: an attempt is under way
	Scheduled State = 3 // due later: a first run, a retry after backoff, a snooze
	Suspended State = 4 // a function that waits for calls, a timer or a signal
	Blocked   State = 5 // waits for other tasks or for room under a limit
	Succeeded State = 6 // final
	Failed    State = 7 // final: a dead letter, can be retried
	Canceled  State = 8 // final
)

var stateNames = map[State]string{
	Ready: "ready", Running: "running", Scheduled: "scheduled", Suspended: "suspended", Blocked: "blocked",
	Succeeded: "succeeded", Failed: "failed", Canceled: "canceled",
}

// States lists all states, in the order a task usually meets them.
var States = []State{Scheduled, Ready, Running, Suspended, Blocked, Succeeded, Failed, Canceled}

func (s State) String() string { return nameOf(stateNames, s, "state") }

// Final tells whether the task has ended. A final state is final for its run:
// only a manual retry, which starts a new run, leaves it.
func (s State) Final() bool { return s == Succeeded || s == Failed || s == Canceled }

// ParseState reads the name of a state.
func ParseState(name string) (State, error) {
	if s, ok := valueOf(stateNames, name); ok {
		return s, nil
	}
	return 0, fmt.Errorf("unknown state %q: want one of %v", name, States)
}

// legal is the table of transitions. Whatever is not in it never happens; the
// stores and the oracle are tested against it.
var legal = map[State][]State{
	Ready:     {Running, Scheduled, Blocked, Failed, Canceled},
	Running:   {Ready, Scheduled, Suspended, Blocked, Succeeded, Failed, Canceled},
	Scheduled: {Ready, Blocked, Failed, Canceled},
	Suspended: {Ready, Scheduled, Blocked, Failed, Canceled},
	Blocked:   {Ready, Scheduled, Failed, Canceled},
	Succeeded: {Ready, Scheduled, Blocked},
	Failed:    {Ready, Scheduled, Blocked},
	Canceled:  {Ready, Scheduled, Blocked},
}

// CanBecome tells whether the transition from s to next is legal. Leaving a
// final state is legal for a manual retry only.
func (s State) CanBecome(next State) bool {
	return slices.Contains(legal[s], next)
}

// Reason says why a task is in its state.
type Reason int16

// The values are stored; never renumber them.
const (
	NoReason         Reason = 0
	Delayed          Reason = 1  // scheduled: submitted with a delay or a time
	Backoff          Reason = 2  // scheduled: failed, waits for its next attempt
	Throttled        Reason = 3  // scheduled: the target asked to come back later
	Interrupted      Reason = 4  // ready: its node stopped or was lost, no attempt spent
	Rejected         Reason = 5  // failed: the target said not to retry
	Exhausted        Reason = 6  // failed: attempts or age used up
	Expired          Reason = 7  // failed: not started before its expiry
	Poison           Reason = 8  // failed: its attempts kept killing what ran them
	Error            Reason = 9  // failed: the task cannot be carried out as described
	DependencyFailed Reason = 10 // canceled: what it waited for did not succeed
	Skipped          Reason = 11 // canceled: not needed any more
	Requested        Reason = 12 // canceled: somebody asked for it
	Replaced         Reason = 13 // canceled: a later task took its unique key
	Retried          Reason = 14 // ready: a manual retry started a new run
	Snoozed          Reason = 15 // scheduled: the handler asked to run later
	Mismatch         Reason = 16 // blocked: the code does not fit what the function has recorded
	Continued        Reason = 17 // ready: a function goes on as another one, or with another input
	Restarted        Reason = 18 // ready: begun again from its input
	Refused          Reason = 19 // scheduled: the endpoint does not let us in: a wrong key, or a wrong address
	PutOff           Reason = 20 // scheduled: by the server itself: the endpoint has as many runs as it can take, or nobody is there
	Canceling        Reason = 21 // shown in place of others, never stored: a function that was canceled undoes what it did
	Ordered          Reason = 22 // blocked: others of its order key come first
	Limited          Reason = 23 // blocked: its limits have no room
	Depends          Reason = 24 // blocked: tasks that it waits for have not ended
	Starting         Reason = 25 // blocked: what it belongs to is not complete
	Duplicate        Reason = 26 // blocked: others of its duplicate key come first
	Lost             Reason = 27 // failed: what ran it was lost, and it is never begun twice
	Acknowledging    Reason = 28 // running: its app has taken it, and has until a time to tell how it ends
)

var reasonNames = map[Reason]string{
	NoReason: "", Delayed: "delayed", Backoff: "backoff", Throttled: "throttled", Interrupted: "interrupted",
	Rejected: "rejected", Exhausted: "exhausted", Expired: "expired", Poison: "poison", Error: "error",
	DependencyFailed: "dependency_failed", Skipped: "skipped", Requested: "requested", Replaced: "replaced",
	Retried: "retried", Snoozed: "snoozed", Mismatch: "mismatch", Continued: "continued", Restarted: "restarted",
	Refused: "refused", PutOff: "put_off", Canceling: "canceling",
	Ordered: "order", Limited: "limit", Depends: "dependencies", Starting: "starting", Duplicate: "duplicate", Lost: "lost",
	Acknowledging: "acknowledgement",
}

func (r Reason) String() string { return nameOf(reasonNames, r, "reason") }

// Kind says how a task is carried out.
type Kind int16

// The values are stored; never renumber them.
const (
	HTTP     Kind = 1 // pushed to a URL
	Function Kind = 2 // a durable function, resumed by calls to its endpoint
	Process  Kind = 3 // run by a warm subprocess
	Local    Kind = 4 // called in a Go process that embeds the engine
	Job      Kind = 5 // a node of a job graph
)

var kindNames = map[Kind]string{
	HTTP: "http", Function: "function", Process: "process", Local: "local", Job: "job",
}

func (k Kind) String() string { return nameOf(kindNames, k, "kind") }

// MaxPriority is the last of the ten priorities; 0 is the first to run.
const MaxPriority = 9

// SuspectPriority is where a local task waits whose attempts have killed a process:
// behind all priorities, and claimed only alone, so that the next death has one
// possible cause. What runs elsewhere is no danger to its node.
const SuspectPriority = MaxPriority + 1

// CrashBudget is how many deaths of its process a task is given before it ends
// failed with reason poison.
const CrashBudget = 3

// BlameBudget is how often in a row a task may break down what carries it out
// elsewhere before it ends failed with reason poison. There it takes more than in a
// process of ours, for the evidence is weaker: connections break for other reasons too.
const BlameBudget = 5

// ReadyPriority is the priority under which a task waits in ready.
func ReadyPriority(kind Kind, priority int16, crashes int32) int16 {
	if kind == Local && crashes > 0 {
		return SuspectPriority
	}
	return priority
}

func nameOf[T ~int16](names map[T]string, v T, what string) string {
	if s, ok := names[v]; ok {
		return s
	}
	return fmt.Sprintf("%s(%d)", what, int16(v))
}

func valueOf[T ~int16](names map[T]string, name string) (T, bool) {
	for v, s := range names {
		if s == name && s != "" {
			return v, true
		}
	}
	return 0, false
}
