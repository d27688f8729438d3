package task

import (
	"cmp"
	"time"
)

// Spec is the description of a task that never changes after it was accepted:
// what to call, how, and what to do when it fails. It is stored as one opaque
// value (see [Spec.Encode]); the store does not look inside.
type Spec struct {
	Kind Kind
	Name string // free label for people and filters

	// HTTP
	URL    string
	Method string // "" = POST
	Header []Header

	// Function
	Function string
	Endpoint string // where it is served: an http, https or bridge URL
	Version  string // of the function, as its caller asked for; "" = any

	// Process: a dotted Python path or a registered command, and the pool of workers that
	// carries it out; "" = default.
	Process string
	Workers string

	// Local: the name of a handler registered in a Go process.
	Handler string

	ContentType string        // of the payload; "" = none given
	Timeout     time.Duration // of one attempt; 0 = [DefaultTimeout]
	Retry       RetryPolicy
	Retention   Retention // of the task itself; what is not set is that of its queue
	Once        bool      // what has begun is never begun again: it fails when what runs it is lost or stops
	Labels      map[string]string
	Group       string // whose work it is
	ClientID    string // id chosen by the client; "" = none
	UniqueKey   string // business key; "" = none
	Schedule    string // by which it was made; "" = by none
	RunAt       int64  // asked for at submission, microseconds; 0 = at once
	Profile     Profile

	// What it waits for, as it was asked for. The store keeps what it needs of it.
	Limits       []Limit
	OrderKey     string      // one at a time of each, in the order of acceptance; "" = none
	OnDuplicate  OnDuplicate // rule for DuplicateKey
	DuplicateKey string      // "" = the target with the payload, unless the rule is Parallel
	DependsOn    []string    // ids of tasks as the client knows them
	When         When        // rule for DependsOn

	Callbacks  []Callback // tasks that are made when it has ended, at most one for each On
	CallbackOf string     // id of the task whose callback it is, as the client knows it; "" = it is none

	Trace Trace // that it was submitted in
}

// Profile selects the headers of a push.
type Profile int16

// The values are stored; never renumber them.
const (
	NativeProfile    Profile = 0
	DispatchrProfile Profile = 1 // adds X-Task-Name
)

// Limits and defaults of a task; see docs/api.md for the whole list.
const (
	DefaultTimeout  = 60 * time.Second
	MinTimeout      = time.Second
	MaxTimeout      = 24 * time.Hour
	DefaultPriority = 5
	DefaultQueue    = "default"
	MaxPayload      = 1 << 20  // bytes
	MaxAnswer       = 64 << 10 // bytes of a body that are kept
	MaxHeaders      = 64
	MaxHeaderBytes  = 16 << 10
	MaxBatch        = 1000
	MaxAttempts     = 10_000 // of one run; functions may have more
)

// TimeoutOrDefault is the time one attempt may take.
func (s *Spec) TimeoutOrDefault() time.Duration {
	switch {
	case s.Timeout != 0:
		return s.Timeout
	case s.Kind == Function:
		return DefaultFunctionTimeout
	}
	return DefaultTimeout
}

// MethodOrDefault is the HTTP method of the push.
func (s *Spec) MethodOrDefault() string {
	if s.Method == "" {
		return "POST"
	}
	return s.Method
}

// PublicID is the id a task goes by outside: the client's own, if it chose one.
func (s *Spec) PublicID(id ID) string {
	if s.ClientID != "" {
		return s.ClientID
	}
	return id.String()
}

// Pool says which nodes can run the task: "any", "function", "process:WORKERS" or
// "local:HANDLER". It is a part of the task's lane.
func (s *Spec) Pool() string {
	switch s.Kind {
	case Local:
		return LocalPool(s.Handler)
	case Process:
		return ProcessPool(s.Workers)
	case Function:
		return FunctionPool
	default:
		return AnyPool
	}
}

// AnyPool is the pool of tasks that every executing node can run.
const AnyPool = "any"

// FunctionPool is the pool of durable functions.
const FunctionPool = "function"

// ProcessPool is the pool of tasks that workers of that name carry out.
func ProcessPool(workers string) string { return "process:" + cmp.Or(workers, DefaultWorkers) }

// DefaultWorkers is the name of the workers that carry out tasks which name none.
const DefaultWorkers = "default"

// OwnWorkers begins the names of workers that go with their node: once that is gone, what
// it had not begun ends failed, with reason Lost.
const OwnWorkers = "own:"

// LocalPool is the pool of tasks for a Go handler of that name.
func LocalPool(handler string) string { return "local:" + handler }
