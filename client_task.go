package sendoff

import (
	"encoding/json"
	"net/url"
	"time"
)

// NewTask is a task to submit. Exactly one of URL, Function and Handler is
// needed; a zero field leaves the choice to the server.
type NewTask struct {
	URL      string `json:"url,omitempty"`      // pushed to
	Function string `json:"function,omitempty"` // name of a durable function, served at Endpoint
	Endpoint string `json:"endpoint,omitempty"` // URL of the app that serves Function
	Handler  string `json:"handler,omitempty"`  // name of a Go handler in a program that embeds the engine

	ID    string `json:"id,omitempty"`    // chosen by the client; taken ones are refused with 409
	Queue string `json:"queue,omitempty"` // default "default"
	Name  string `json:"name,omitempty"`  // for people and filters

	Method      string            `json:"method,omitempty"` // default POST
	Headers     map[string]string `json:"headers,omitempty"`
	Payload     any               `json:"payload,omitempty"`     // encoded as JSON
	Body        []byte            `json:"body_base64,omitempty"` // sent as it is, in place of Payload
	ContentType string            `json:"content_type,omitempty"`

	Delay     time.Duration `json:"-"`                   // before the first attempt
	RunAt     time.Time     `json:"run_at,omitzero"`     // in place of Delay
	ExpiresAt time.Time     `json:"expires_at,omitzero"` // not started from then on

	Priority *int              `json:"priority,omitempty"` // 0 (first) to 9, such as new(2); default 5
	Group    string            `json:"group,omitempty"`    // whose work it is
	Timeout  time.Duration     `json:"-"`                  // of one attempt, 1 s to 24 h; default 60 s
	Retry    *RetryPolicy      `json:"retry,omitempty"`
	Unique   *Unique           `json:"unique,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`

	// Signal is told to the function that is started, or, when one has the ID or
	// the Unique key already and goes on, to that one in its place; a conflict when
	// that one has ended. See [SignalWithStart].
	Signal *StartSignal `json:"signal,omitempty"`

	// IdempotencyKey names the request: for 24 hours another one with the same
	// key and body gets the same task. Default: a new one for each Submit.
	IdempotencyKey string `json:"-"`
}

// StartSignal is a signal that goes with the start of a function.
type StartSignal struct {
	Name  string `json:"name"`
	Value any    `json:"value,omitempty"`      // encoded as JSON
	Any   []byte `json:"any_base64,omitempty"` // in place of Value: a serialized google.protobuf.Any
}

// MarshalJSON implements json.Marshaler.
func (t NewTask) MarshalJSON() ([]byte, error) {
	type plain NewTask
	return json.Marshal(struct {
		plain
		Delay   duration `json:"delay,omitempty"`
		Timeout duration `json:"timeout,omitempty"`
	}{plain(t), duration(t.Delay), duration(t.Timeout)})
}

// RetryPolicy says how often and how soon a failed task is tried again. A zero field
// means its default.
type RetryPolicy struct {
	MaxAttempts int           `json:"max_attempts,omitempty"` // the first included; default 25
	MaxAge      time.Duration `json:"-"`                      // from the first attempt; default 7 days
	MinBackoff  time.Duration `json:"-"`                      // after the first failure; default 1 s
	MaxBackoff  time.Duration `json:"-"`                      // default 1 h
	Factor      float64       `json:"factor,omitempty"`       // from one wait to the next; default 2
	Jitter      *float64      `json:"jitter,omitempty"`       // share of the wait that is random, 0 to 1; default 0.2
}

type wireRetry struct {
	*plainRetry
	MaxAge     duration `json:"max_age,omitempty"`
	MinBackoff duration `json:"min_backoff,omitempty"`
	MaxBackoff duration `json:"max_backoff,omitempty"`
}

type plainRetry RetryPolicy

// MarshalJSON implements json.Marshaler.
func (r RetryPolicy) MarshalJSON() ([]byte, error) {
	p := plainRetry(r)
	return json.Marshal(wireRetry{&p, duration(r.MaxAge), duration(r.MinBackoff), duration(r.MaxBackoff)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *RetryPolicy) UnmarshalJSON(b []byte) error {
	w := wireRetry{plainRetry: (*plainRetry)(r)}
	err := json.Unmarshal(b, &w)
	r.MaxAge, r.MinBackoff, r.MaxBackoff = time.Duration(w.MaxAge), time.Duration(w.MinBackoff), time.Duration(w.MaxBackoff)
	return err
}

// What Unique does with a task whose key is held.
const (
	OnConflictReturn  = "return"  // answer with the task that holds it; the default
	OnConflictReject  = "reject"  // answer 409
	OnConflictReplace = "replace" // cancel the holder, if it still waits, and take the key
)

// Unique allows one task for a key, within a queue, at a time.
type Unique struct {
	Key        string        `json:"key"`
	Window     time.Duration `json:"-"`                     // holds for so long from acceptance
	WhileOpen  bool          `json:"while_open,omitempty"`  // holds until the task has ended; the rule without a window
	OnConflict string        `json:"on_conflict,omitempty"` // default OnConflictReturn
}

// MarshalJSON implements json.Marshaler.
func (u Unique) MarshalJSON() ([]byte, error) {
	type plain Unique
	return json.Marshal(struct {
		plain
		Window duration `json:"window,omitempty"`
	}{plain(u), duration(u.Window)})
}

// Task is a task as the server shows it.
type Task struct {
	ID          string            `json:"id"`
	State       State             `json:"state"`
	Reason      string            `json:"reason,omitempty"`
	Kind        string            `json:"kind,omitempty"` // http, function, local
	Queue       string            `json:"queue,omitempty"`
	Name        string            `json:"name,omitempty"`
	URL         string            `json:"url,omitempty"`
	Handler     string            `json:"handler,omitempty"`
	Function    string            `json:"function,omitempty"`
	Endpoint    string            `json:"endpoint,omitempty"`    // of the function
	ParentID    string            `json:"parent_id,omitempty"`   // of a call: the function that made it
	RootID      string            `json:"root_id,omitempty"`     // of a call: the first function of its tree
	EarlierRun  bool              `json:"earlier_run,omitempty"` // of a call in a tree: made before its caller was begun again; its result goes nowhere
	Method      string            `json:"method,omitempty"`
	Priority    int               `json:"priority"`
	Group       string            `json:"group,omitempty"`
	Attempts    int               `json:"attempts"`               // spent or under way in this run
	MaxAttempts int               `json:"max_attempts,omitempty"` // 0 = until it expires
	Timeout     time.Duration     `json:"-"`                      // of one attempt
	Retry       *RetryPolicy      `json:"retry,omitempty"`
	CreatedAt   time.Time         `json:"created_at,omitzero"`
	RunAt       time.Time         `json:"run_at,omitzero"`
	NextAt      time.Time         `json:"next_at,omitzero"` // of the next attempt
	ExpiresAt   time.Time         `json:"expires_at,omitzero"`
	StartedAt   time.Time         `json:"started_at,omitzero"`
	FinishedAt  time.Time         `json:"finished_at,omitzero"`
	Labels      map[string]string `json:"labels,omitempty"`
	LastError   string            `json:"last_error,omitempty"`
	LastCause   string            `json:"last_cause,omitempty"` // of the last attempt: see Attempt.Cause
	LastStatus  int               `json:"last_status,omitempty"`
	Run         int               `json:"run,omitempty"` // raised by each manual retry, and when a function is begun again
	Job         int64             `json:"job,omitempty"` // the number that Dispatchr's clients get

	UniqueKey   string `json:"unique_key,omitempty"`
	ContentType string `json:"content_type,omitempty"`

	// Only in the answers of Get and Wait.
	Headers    map[string]string `json:"headers,omitempty"`
	Payload    json.RawMessage   `json:"payload,omitempty"`        // JSON as it was submitted; a text as a JSON string
	PayloadRaw []byte            `json:"payload_base64,omitempty"` // in place of Payload when it is no text
	Result     json.RawMessage   `json:"result,omitempty"`         // what a function returned
	Error      *FunctionError    `json:"error,omitempty"`          // what a function failed with

	Existing bool `json:"-"` // Submit: the task was there already and holds the unique key
	Replayed bool `json:"-"` // Submit: the task was made by an earlier request with the same Idempotency-Key
}

// Final tells whether the task has ended.
func (t *Task) Final() bool { return t.State.Final() }

type wireTask struct {
	*plainTask
	Timeout duration `json:"timeout,omitempty"`
}

type plainTask Task

// MarshalJSON implements json.Marshaler: the shape of the API.
func (t Task) MarshalJSON() ([]byte, error) {
	p := plainTask(t)
	return json.Marshal(wireTask{&p, duration(t.Timeout)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Task) UnmarshalJSON(b []byte) error {
	w := wireTask{plainTask: (*plainTask)(t)}
	err := json.Unmarshal(b, &w)
	t.Timeout = time.Duration(w.Timeout)
	return err
}

// BatchItem is what became of one task of a batch.
type BatchItem struct {
	Status string   `json:"status"` // created, existing, conflict, skipped, invalid
	Task   *Task    `json:"task,omitempty"`
	Error  *Problem `json:"error,omitempty"`
}

// maxPage is the largest page of a listing.
const maxPage = 500

// Filter selects tasks. A zero field selects all.
type Filter struct {
	States                        []State
	Queue                         string
	Name                          string
	Function                      string            // name of a durable function
	Root                          string            // id of the first function of a tree: the calls below it, itself not
	Labels                        map[string]string // all of them
	TargetHost                    string            // host or host:port of the URL
	CreatedAfter, CreatedBefore   time.Time
	FinishedAfter, FinishedBefore time.Time
	Limit                         int // tasks in all; 0 = no limit
}

func (f *Filter) query() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	for _, s := range f.States {
		q.Add("state", string(s))
	}
	set("queue", f.Queue)
	set("name", f.Name)
	set("function", f.Function)
	set("root", f.Root)
	set("target_host", f.TargetHost)
	for k, v := range f.Labels {
		q.Set("label."+k, v)
	}
	set("created_after", timeText(f.CreatedAfter))
	set("created_before", timeText(f.CreatedBefore))
	set("finished_after", timeText(f.FinishedAfter))
	set("finished_before", timeText(f.FinishedBefore))
	return q
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
