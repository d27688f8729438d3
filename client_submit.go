package sendoff

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// NewTask is a task to submit. Exactly one of URL, Function, Process and Handler is
// needed; a zero field leaves the choice to the server.
type NewTask struct {
	URL      string `json:"url,omitempty"`      // pushed to
	Function string `json:"function,omitempty"` // name of a durable function, served at Endpoint
	Endpoint string `json:"endpoint,omitempty"` // URL of the app that serves Function
	Handler  string `json:"handler,omitempty"`  // name of a Go handler in a program that embeds the engine
	Process  string `json:"process,omitempty"`  // run by a worker process: a dotted name such as app.mail.send, or a command that the server knows
	Workers  string `json:"workers,omitempty"`  // of a process: the workers that carry it out, by name; default those without one

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
	Once     bool              `json:"once,omitempty"` // what has begun is never begun again: it ends failed, reason lost, when what runs it is lost or stops
	Labels   map[string]string `json:"labels,omitempty"`

	Retention *Retention `json:"retention,omitempty"` // how long it stays visible when it has ended; default as its queue says

	// It runs when all of its Limits have room, at most 8. A limit that is configured
	// counts in place of what is said here; see [Limits].
	Limits []Limit `json:"limits,omitempty"`

	// OrderKey: tasks with the same one run one at a time, in the order of acceptance.
	OrderKey string `json:"order_key,omitempty"`

	OnDuplicate  string `json:"on_duplicate,omitempty"`  // what becomes of it while others with its DuplicateKey have not ended; default DuplicateParallel
	DuplicateKey string `json:"duplicate_key,omitempty"` // default the target with the payload

	DependsOn []string `json:"depends_on,omitempty"` // ids of tasks that have to end first: stored ones, or others of the same SubmitMany by their ID
	When      string   `json:"when,omitempty"`       // how they have to end; default WhenAllOK. What can never run is canceled

	// Tasks that are made when this one has succeeded, has failed or was canceled, or has
	// ended however, once for each of its runs. Without a Payload they get {"task": this
	// one as it ended}. See [Task.CallbackOf].
	OnSuccess  *NewTask `json:"on_success,omitempty"`
	OnFailure  *NewTask `json:"on_failure,omitempty"`
	OnComplete *NewTask `json:"on_complete,omitempty"`

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

// Limit is what tasks that name the same key share.
type Limit struct {
	Key         string `json:"key"`                   // at most 200 bytes
	Concurrency int    `json:"concurrency,omitempty"` // so many run at a time, on all nodes together; 0 = any number
	Rate        string `json:"rate,omitempty"`        // so many start: "100/s", "10/m", "5/h"; "" = any number
	Burst       int    `json:"burst,omitempty"`       // of a rate: so many start at once after a rest; default 1
}

// What OnDuplicate does with a task while others with its duplicate key have not ended.
const (
	DuplicateParallel = "parallel"  // it runs beside them; the default
	DuplicateSerial   = "serial"    // it waits until it is its turn
	DuplicateDiscard  = "discard"   // it is not stored: Submit returns one that is there, with Dropped set
	DuplicateQueueOne = "queue_one" // it waits, unless another one waits already: then as DuplicateDiscard
	DuplicateReplace  = "replace"   // it cancels them
)

// When a task runs that depends on others. What can never run is canceled.
const (
	WhenAllOK     = "all_ok"     // all have succeeded; the default
	WhenAlways    = "always"     // all have ended
	WhenAnyFailed = "any_failed" // all have ended, and one of them did not succeed
)

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

// BatchItem is what became of one task of a batch.
type BatchItem struct {
	Status string   `json:"status"` // created, existing, dropped, conflict, skipped, invalid
	Task   *Task    `json:"task,omitempty"`
	Error  *Problem `json:"error,omitempty"`
}

// Submit hands a task over: it is on the server's disk when Submit returns. It
// sends t.IdempotencyKey, or one of its own, so that a request whose answer was
// lost is repeated without making a second task. When t.Unique says so, the
// task that holds the key already is returned, with Existing set.
func (c *Client) Submit(ctx context.Context, t NewTask) (*Task, error) {
	return c.submit(ctx, t, 0)
}

// SubmitAndWait is [Client.Submit] and then [Client.Wait], in one request where the end comes
// within 30 s: for who answers a request of his own with what became of a task. The API
// key needs the scope read as well. An error after the task was handed over comes with the
// task as it was last seen; with none it may have been handed over all the same.
func (c *Client) SubmitAndWait(ctx context.Context, t NewTask) (*Task, error) {
	out, err := c.submit(ctx, t, waitIn(ctx))
	if err != nil || out.Final() {
		return out, err
	}
	last, err := c.Wait(ctx, out.ID)
	if last == nil {
		return out, err
	}
	last.Existing, last.Replayed, last.Dropped = out.Existing, out.Replayed, out.Dropped
	return last, err
}

func (c *Client) submit(ctx context.Context, t NewTask, wait time.Duration) (*Task, error) {
	r := request{method: http.MethodPost, path: "/v1/tasks", body: t, key: cmp.Or(t.IdempotencyKey, newKey()), again: true, wait: wait}
	if wait > 0 {
		r.query = url.Values{"wait": {wait.String()}}
	}
	var out Task
	status, header, err := c.do(ctx, r, &out)
	if err != nil {
		return nil, err
	}
	out.Replayed = header.Get("Idempotent-Replayed") == "true"
	out.Existing = status == http.StatusOK && !out.Replayed && !out.Dropped
	return &out, nil
}

func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return "go-" + hex.EncodeToString(b[:])
}

// SubmitMany hands up to 1,000 tasks over in one transaction and returns one
// result for each, in order. When atomic is set, either all are accepted or
// none: then the items say which was refused. The request carries an
// Idempotency-Key of its own, so it is repeated when its answer was lost. That
// of a task is for [Client.Submit], and an error here.
func (c *Client) SubmitMany(ctx context.Context, tasks []NewTask, atomic bool) ([]BatchItem, error) {
	for i := range tasks {
		if tasks[i].IdempotencyKey != "" {
			return nil, fmt.Errorf("tasks[%d]: IdempotencyKey names a request with one task: submit it alone, or leave it out", i)
		}
	}
	body := struct {
		Tasks  []NewTask `json:"tasks"`
		Atomic bool      `json:"atomic,omitempty"`
	}{tasks, atomic}
	var out items[BatchItem]
	_, _, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/tasks/batch", body: body, key: newKey(), again: true}, &out)
	return out.Items, err
}
