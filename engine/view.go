package engine

import (
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// TaskInfo is a task as it is. Times are zero where there is none yet.
type TaskInfo struct {
	ID   string  // that it goes by: the one you chose, or the one that the engine made
	UUID task.ID // that the engine made; in the order of creation

	State  task.State
	Reason task.Reason // why it is in this state, where that needs a word
	Kind   task.Kind
	Queue  string
	Name   string

	Handler  string
	Process  string
	Workers  string // of a Process, by name
	Once     bool   // what has begun is never begun again
	URL      string
	Method   string // of the push
	Function string
	Endpoint string // of the function

	Priority    int // 0 (first) to 9
	Group       string
	Labels      map[string]string
	ContentType string // of the payload
	UniqueKey   string
	Timeout     time.Duration // of one attempt
	Retry       task.RetryPolicy
	Retention   task.Retention // as it was submitted

	Limits       []task.Limit // this and the next as they were submitted
	OrderKey     string
	OnDuplicate  task.OnDuplicate
	DuplicateKey string
	DependsOn    []string
	When         task.When
	CallbackOf   string // id of the task whose end it tells

	Run         int   // 1, and one more after each manual retry and each time that a function is begun again
	Attempts    int   // of this run, spent or under way
	MaxAttempts int   // 0 = as many as it takes until it expires, which is the rule for functions
	Failures    int   // attempts of this run that were spent
	Token       int64 // of the last claim; rises with each, 0 = never claimed

	CreatedAt    time.Time
	NextAt       time.Time // scheduled: when it is due; suspended or blocked: when it is looked at again at the latest
	ExpiresAt    time.Time
	FirstStarted time.Time // the first attempt of this run
	StartedAt    time.Time // the last attempt
	FinishedAt   time.Time

	LastOutcome task.Class // of the last attempt
	LastError   string
	LastCause   task.Cause // why the last attempt got no answer
	LastStatus  int        // HTTP status of the last answer; 0 = none

	Parent     task.ID // of a call: the function that made it; zero otherwise
	Root       task.ID // of a call: the first function of its tree; zero otherwise
	EarlierRun bool    // of a call in a tree: its caller made it before it was begun again

	// Progress is how far the attempt is that is under way, as it told last: of Get alone,
	// nil when it has told nothing.
	Progress *Progress
}

// Progress is how far an attempt is.
type Progress struct {
	Done, Total int64  // Total 0 = it is not known
	Text        string // for people
	At          time.Time
}

// Final tells whether the task has ended.
func (t *TaskInfo) Final() bool { return t.State.Final() }

func infoOf(t *operate.Task) TaskInfo {
	v := TaskInfo{
		ID: t.PublicID(), UUID: t.ID, State: t.State, Reason: t.Reason, Kind: t.Kind, Queue: t.Queue, Name: t.Spec.Name,
		Handler: t.Spec.Handler, Process: t.Spec.Process, Workers: t.Spec.Workers, Once: t.Spec.Once, URL: t.Spec.URL, Function: t.Spec.Function, Endpoint: t.Spec.Endpoint,
		Priority: int(t.Priority), Group: t.Spec.Group, Labels: t.Spec.Labels, ContentType: t.Spec.ContentType, UniqueKey: t.Spec.UniqueKey,
		Timeout: t.Spec.TimeoutOrDefault(), Retry: t.Spec.Retry.WithDefaults(), Retention: t.Spec.Retention,
		Run: int(t.Run), Attempts: int(t.Attempts()), MaxAttempts: int(t.MaxAttempts), Failures: int(t.Failures), Token: t.Token,
		CreatedAt: timeOf(t.CreatedAt), ExpiresAt: timeOf(t.ExpiresAt), FirstStarted: timeOf(t.FirstStarted), StartedAt: timeOf(t.LastStarted),
		FinishedAt: timeOf(t.FinishedAt), LastOutcome: t.LastOutcome, LastError: t.LastError, LastCause: t.LastCause, LastStatus: int(t.LastCode),
		Parent: t.Parent, Root: t.Root, EarlierRun: t.EarlierRun,
		Limits: t.Spec.Limits, OrderKey: t.Spec.OrderKey, OnDuplicate: t.Spec.OnDuplicate, DuplicateKey: t.Spec.DuplicateKey,
		DependsOn: t.Spec.DependsOn, When: t.Spec.When, CallbackOf: t.Spec.CallbackOf,
	}
	if t.Kind == task.HTTP {
		v.Method = t.Spec.MethodOrDefault()
	}
	if t.MaxAttempts >= task.Unlimited {
		v.MaxAttempts = 0
	}
	switch t.State {
	case task.Scheduled, task.Suspended, task.Blocked:
		v.NextAt = timeOf(t.At)
	}
	return v
}

func infosOf(tasks []operate.Task) []TaskInfo {
	out := make([]TaskInfo, len(tasks))
	for i := range tasks {
		out[i] = infoOf(&tasks[i])
	}
	return out
}

// Attempt is one try to carry a task out.
type Attempt struct {
	Number     int   // from 1, in its run
	Run        int   // of the task
	Token      int64 // the fence: a later attempt has a larger one
	Node       task.ID
	StartedAt  time.Time
	FinishedAt time.Time  // zero while it is under way
	Outcome    task.Class // task.NoOutcome while it is under way
	Status     int        // HTTP status of the answer, or exit status of a process; 0 = none
	Error      string
	Cause      task.Cause    // why there was no answer
	Header     []task.Header // of the answer
	Body       []byte        // of the answer, up to 64 KiB; of a function: a serialized CallResult, see Functions.Result; of a process: what it returned, as JSON
	Truncated  bool          // the body was longer
	Output     string        // what the process has printed: the last 16 KiB
	OutputCut  bool          // it has printed more
	LeftOut    int64         // attempts between the one before and this one that are not kept
}

func attemptOf(a *store.AttemptRow) Attempt {
	v := Attempt{
		Number: int(a.Number), Run: int(a.Run), Token: a.Token, Node: a.Node, StartedAt: timeOf(a.StartedAt), FinishedAt: timeOf(a.FinishedAt),
		Outcome: a.Outcome, Status: int(a.Code), Error: a.Error, Cause: a.Cause, Body: a.Answer.Body,
		Truncated: a.Answer.Truncated, LeftOut: a.LeftOut,
	}
	v.Output, v.OutputCut = a.Answer.Output()
	for _, h := range a.Answer.Header {
		if !strings.HasPrefix(h.Name, ":") {
			v.Header = append(v.Header, h)
		}
	}
	return v
}

// timeOf is a time of the database, microseconds; zero when there is none.
func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}
