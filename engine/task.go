package engine

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Task is a task to submit: what is to be called, and how. Exactly one of Handler,
// URL, Process and Function is needed; a zero field means its default. What a task looks like
// once it is there is a [TaskInfo].
type Task struct {
	Handler  string // name of a Go handler of this program, or of one over the same database: see Handle
	URL      string // pushed to
	Process  string // run by a worker process: a dotted name such as app.mail.send, or a command; see Config.Processes
	Workers  string // of a Process: those that carry it out, by name, see Processes.Serves; default those without one
	Function string // name of a durable function, served at Endpoint
	Endpoint string // URL of the app that serves Function; embedded://NAME for what Embed serves

	UUID  task.ID // its id in the database, made by NewUUID, for who has to know it before it runs; zero = one is made
	ID    string  // chosen by you, at most 200 bytes without blanks and / ? # %; a second task with it is a Conflict
	Queue string  // default "default"
	Name  string  // for people and filters

	Method      string            // of the push; default POST
	Headers     map[string]string // of the push
	Payload     any               // encoded as JSON
	Body        []byte            // the payload as it is, in place of Payload
	ContentType string            // default application/json for a Payload, application/octet-stream for a Body

	Delay     time.Duration // before the first attempt
	RunAt     time.Time     // of the first attempt, in place of Delay; zero = at once
	ExpiresAt time.Time     // not started from then on; zero = never, and 24 hours for functions

	Priority *int              // 0 (first) to 9; default 5
	Group    string            // whose work it is
	Timeout  time.Duration     // of one attempt, 1 s to 24 h; default 60 s, and 300 s for functions
	Retry    task.RetryPolicy  // how often and how soon a failed attempt is made again
	Unique   *Unique           // one task for a key at a time; nil = no such rule
	Once     bool              // what has begun is never begun again: it fails, with reason task.Lost, when what runs it is lost or stops; one attempt unless Retry says more
	Labels   map[string]string // for filters, at most 32

	Retention task.Retention // how long it stays visible when it has ended, 1 ms to 100 years or task.NotKept; what is zero is as its queue has it

	Limits       []task.Limit     // it runs when all have room, at most 8; a limit that is configured counts in place of what is said here
	OrderKey     string           // tasks with the same one run one at a time, in the order of acceptance; "" = no order
	OnDuplicate  task.OnDuplicate // what becomes of it while others with its DuplicateKey have not ended; default Parallel
	DuplicateKey string           // default the target with the payload
	DependsOn    []string         // ids of tasks that have to end first: stored ones, or others of the same call by their ID
	When         task.When        // how they have to end; default AllOK. What can never run is canceled

	// Tasks that are made when this one has succeeded, has failed or was canceled, or has
	// ended however, once for each of its runs, each at most 16 KiB. Without a Payload
	// and a Body they get {"task": this one as it ended}, as GET /v1/tasks/{id} shows it.
	// They have no ID, Unique, Signal, DependsOn, RunAt, ExpiresAt and callbacks.
	OnSuccess  *Task
	OnFailure  *Task
	OnComplete *Task

	// Signal is told to the function that is started, or, when one has the ID or the
	// Unique key already and goes on, to that one in its place.
	Signal *Signal

	// Traceparent is what it is below in a distributed trace (W3C Trace Context), as
	// propagators write it; "" = it begins a trace that has its id. See Config.Trace.
	Traceparent string `json:"-"`

	// IdempotencyKey names the submission: for 24 hours the same task submitted with
	// the same key is the one that is there, and another task with it a Mismatch.
	IdempotencyKey string
}

// NewUUID makes the id of a task: a UUID of version 7 (RFC 9562).
func NewUUID() task.ID { return accept.NewID() }

// Unique allows one task for a key, within a queue, at a time.
type Unique struct {
	Key        string
	Window     time.Duration // holds for so long from acceptance, whatever becomes of the task; 0 = no window
	WhileOpen  bool          // holds until the task has ended; the rule when there is no window
	OnConflict OnConflict    // what is done with a task whose key is held; default Return
}

// OnConflict is what is done with a task whose unique key is held by another.
type OnConflict int

// The ways.
const (
	Return  OnConflict = iota // the answer is the task that holds it: Existing
	Reject                    // the task is refused: Conflict
	Replace                   // the holder is canceled, if it still waits, and the key taken
)

// Signal is a message to a function.
type Signal struct {
	Name  string // at most 200 bytes
	Value any    // encoded as JSON
}

// submission is the task in the words of accept. The error is task.Invalid.
func (t *Task) submission(s *accept.Submission) error {
	var bad task.Invalid
	*s = accept.Submission{
		ID: t.UUID, Queue: t.Queue, Delay: t.Delay, RunAt: t.RunAt, ExpiresAt: t.ExpiresAt, Priority: t.Priority,
		Spec: task.Spec{
			Handler: t.Handler, Process: t.Process, Workers: t.Workers, Once: t.Once, URL: t.URL, Function: t.Function, Endpoint: t.Endpoint, ClientID: t.ID, Name: t.Name, Method: t.Method,
			ContentType: t.ContentType, Group: t.Group, Timeout: t.Timeout, Retry: t.Retry, Labels: t.Labels, Retention: t.Retention,
			Limits: t.Limits, OrderKey: t.OrderKey, OnDuplicate: t.OnDuplicate, DuplicateKey: t.DuplicateKey, DependsOn: t.DependsOn, When: t.When,
			Trace: task.ParseTrace(t.Traceparent),
		},
	}
	typed := t.ContentType != ""
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		s.Spec.Header = append(s.Spec.Header, task.Header{Name: name, Value: t.Headers[name]})
		typed = typed || strings.EqualFold(name, "Content-Type")
	}
	contentType := ""
	s.Payload, contentType = t.payload(&bad)
	if !typed {
		s.Spec.ContentType = contentType
	}
	if u := t.Unique; u != nil {
		s.Unique = &accept.Unique{Key: u.Key, Window: u.Window, WhileOpen: u.WhileOpen, OnConflict: u.OnConflict.rule(&bad)}
	}
	if g := t.Signal; g != nil {
		s.Signal = &accept.Signal{Name: g.Name, Value: signalValue(&bad, g.Value)}
	}
	t.callbacks(&bad, s)
	if t.IdempotencyKey != "" {
		s.IdempotencyKey, s.Fingerprint = t.IdempotencyKey, t.fingerprint()
	}
	return bad.Err()
}

// callbacks adds the tasks that are made when this one has ended.
func (t *Task) callbacks(bad *task.Invalid, s *accept.Submission) {
	for _, c := range []struct {
		on task.On
		*Task
	}{{task.OnSuccess, t.OnSuccess}, {task.OnFailure, t.OnFailure}, {task.OnComplete, t.OnComplete}} {
		if c.Task == nil {
			continue
		}
		made := accept.Callback{On: c.on}
		faults, _ := errors.AsType[task.Invalid](c.submission(&made.Submission))
		bad.Join(c.on.String()+".", faults)
		s.Callbacks = append(s.Callbacks, made)
	}
}

func (t *Task) payload(bad *task.Invalid) (payload []byte, contentType string) {
	switch {
	case t.Payload != nil && t.Body != nil:
		bad.Add("payload", "give either a Payload or a Body, not both")
	case t.Payload != nil:
		if _, raw := t.Payload.([]byte); raw {
			bad.Add("payload", "is a []byte, which JSON would turn into base64: give it as Body, or as a json.RawMessage")
		}
		b, err := json.Marshal(t.Payload)
		if err != nil {
			bad.Add("payload", "cannot be encoded as JSON: %s", err)
		}
		return b, "application/json"
	case t.Body != nil:
		return t.Body, "application/octet-stream"
	}
	return nil, ""
}

// fingerprint tells tasks apart that are submitted with the same idempotency key.
func (t *Task) fingerprint() store.Hash {
	b, _ := json.Marshal(t) // its payload has been encoded before, or the task is refused
	return store.HashOf([]byte("engine"), b)
}

func (c OnConflict) rule(bad *task.Invalid) store.OnConflict {
	switch c {
	case Return:
		return store.Return
	case Reject:
		return store.Reject
	case Replace:
		return store.Replace
	}
	bad.Add("unique.on_conflict", "is %d: want Return, Reject or Replace", c)
	return store.Return
}

// signalValue is a value as functions get it: JSON in an Any.
func signalValue(bad *task.Invalid, v any) []byte {
	text, err := json.Marshal(v)
	if err == nil {
		var value *anypb.Any
		if value, err = anypb.New(&sendoffv1.JSON{Json: text}); err == nil {
			return protocol.Payload(value)
		}
	}
	bad.Add("signal.value", "cannot be encoded as JSON: %s", err)
	return nil
}
