package sendoff

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Task is a task as the server shows it.
type Task struct {
	ID          string            `json:"id"`
	State       State             `json:"state"`
	Reason      string            `json:"reason,omitempty"`
	Kind        string            `json:"kind,omitempty"` // http, function, local
	Queue       string            `json:"queue,omitempty"`
	Name        string            `json:"name,omitempty"`
	Schedule    string            `json:"schedule,omitempty"` // by which it was made
	URL         string            `json:"url,omitempty"`
	Handler     string            `json:"handler,omitempty"`
	Process     string            `json:"process,omitempty"`
	Workers     string            `json:"workers,omitempty"` // of a process, by name
	Once        bool              `json:"once,omitempty"`    // what has begun is never begun again
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
	Retention   *Retention        `json:"retention,omitempty"` // as it was submitted
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

	Limits       []Limit  `json:"limits,omitempty"` // this and the next as they were submitted
	OrderKey     string   `json:"order_key,omitempty"`
	OnDuplicate  string   `json:"on_duplicate,omitempty"` // "" = DuplicateParallel
	DuplicateKey string   `json:"duplicate_key,omitempty"`
	DependsOn    []string `json:"depends_on,omitempty"`
	When         string   `json:"when,omitempty"`

	OnSuccess  *Callback `json:"on_success,omitempty"`  // made when it has succeeded
	OnFailure  *Callback `json:"on_failure,omitempty"`  // made when it has failed or was canceled
	OnComplete *Callback `json:"on_complete,omitempty"` // made when it has ended
	CallbackOf string    `json:"callback_of,omitempty"` // id of the task whose end it tells

	// Only in the answers of Get and Wait.
	Headers    map[string]string `json:"headers,omitempty"`
	Payload    json.RawMessage   `json:"payload,omitempty"`        // JSON as it was submitted; a text as a JSON string
	PayloadRaw []byte            `json:"payload_base64,omitempty"` // in place of Payload when it is no text
	Result     json.RawMessage   `json:"result,omitempty"`         // what a function returned
	Error      *FunctionError    `json:"error,omitempty"`          // what a function failed with
	WaitingFor *Waiting          `json:"waiting_for,omitempty"`    // of a task that neither runs nor has ended
	Progress   *Progress         `json:"progress,omitempty"`       // of the attempt that is under way, as it told last; of Get
	AckBy      time.Time         `json:"ack_by,omitzero"`          // by when the app of a push has to tell how it ends that took it for later

	Dropped  bool `json:"dropped,omitempty"` // Submit: nothing was stored, by the rule for duplicates; this is one that is there
	Existing bool `json:"-"`                 // Submit: the task was there already and holds the unique key
	Replayed bool `json:"-"`                 // Submit: the task was made by an earlier request with the same Idempotency-Key
}

// Callback is a task that is made when another one has ended.
type Callback struct {
	Kind     string `json:"kind"` // http, function, process, local
	Queue    string `json:"queue"`
	Name     string `json:"name,omitempty"`
	URL      string `json:"url,omitempty"`
	Function string `json:"function,omitempty"`
	Process  string `json:"process,omitempty"`
	Handler  string `json:"handler,omitempty"`
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

// FunctionError is what a function failed with, as the server shows it.
type FunctionError struct {
	Type      string `json:"type,omitempty"` // class of the error in the language of the function
	Message   string `json:"message"`
	Traceback string `json:"traceback,omitempty"`
}

// Waiting is what a task waits for: the first thing that has to happen.
type Waiting struct {
	Cause      task.WaitCause `json:"cause"`                 // a server that is newer than this package may know others
	Text       string         `json:"text"`                  // for people, in a line
	Since      time.Time      `json:"since,omitzero"`        // when it began to wait for that
	Until      time.Time      `json:"until,omitzero"`        // when that ends by itself, or is looked at again
	Ahead      *int           `json:"ahead,omitempty"`       // of task.WaitLine: ready tasks of its queue that are before it; of a limit, an order, duplicates: those before it in line there. Counted up to 10,000
	AheadExact bool           `json:"ahead_exact,omitempty"` // Ahead is all of them
	Limit      *LimitUse      `json:"limit,omitempty"`       // of task.WaitLimit, task.WaitOrder, task.WaitDuplicate: what it waits for
	Holders    []string       `json:"holders,omitempty"`     // tasks that have what it waits for, up to 20, as far as they are among the 500 latest of their state
	Tasks      []WaitedFor    `json:"tasks,omitempty"`       // that have to end first, oldest first; at most 20 of them
	Signals    []string       `json:"signals,omitempty"`     // that a function waits for, as far as its SDK tells
	Nodes      []string       `json:"nodes,omitempty"`       // of task.WaitNoNode: names of the nodes that are alive
	Actions    []string       `json:"actions,omitempty"`     // what can be done about it: ids of operations of the HTTP API
}

// LimitUse is how much of what tasks share is taken.
type LimitUse struct {
	Key     string `json:"key,omitempty"` // of the limit, the order or the duplicates; "" for duplicates by target and payload
	Used    int    `json:"used"`
	Allowed int    `json:"allowed,omitempty"` // 0 = any number
}

// WaitedFor is a task that another one waits for.
type WaitedFor struct {
	ID    string `json:"id"`
	State State  `json:"state"`
}

// maxPage is the largest page of a listing.
const maxPage = 500

// Filter selects tasks. A zero field selects all.
type Filter struct {
	States                        []State
	Queue                         string
	Name                          string
	Schedule                      string            // name of the schedule that made it
	Function                      string            // name of a durable function
	Root                          string            // id of the first function of a tree: the calls below it, itself not
	Labels                        map[string]string // all of them
	TargetHost                    string            // host or host:port of the URL
	CreatedAfter, CreatedBefore   time.Time
	FinishedAfter, FinishedBefore time.Time
	Where                         map[string][]string // what else GET /v1/tasks can select by: "priority": {"0", "1"}; "kind!": {"http"} selects the others
	Sort                          string              // "-finished_at" of failed, "next_at" of scheduled, "position" of ready, "started_at" of running tasks; "" = newest first
	Limit                         int                 // tasks in all; 0 = no limit
}

func (f *Filter) query() url.Values {
	q := url.Values{}
	for name, values := range f.Where {
		q[name] = slices.Clone(values)
	}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("sort", f.Sort)
	for _, s := range f.States {
		q.Add("state", string(s))
	}
	set("queue", f.Queue)
	set("name", f.Name)
	set("schedule", f.Schedule)
	set("function", f.Function)
	set("root_id", f.Root)
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
