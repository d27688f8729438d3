package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Task is a task in an answer. Fields without a value are left out.
type Task struct {
	ID            string            `json:"id"`
	Job           int64             `json:"job" doc:"The id as a number; /v1/tasks/{id} takes it as well."`
	State         string            `json:"state" enum:"scheduled,ready,running,suspended,blocked,succeeded,failed,canceled"`
	Reason        string            `json:"reason,omitempty" doc:"Why it is in this state: backoff, throttled, rejected, exhausted, expired, ..."`
	Kind          string            `json:"kind" enum:"http,function,process,local,job"`
	Queue         string            `json:"queue"`
	Name          string            `json:"name,omitempty"`
	Schedule      string            `json:"schedule,omitempty" doc:"Name of the schedule that made it."`
	URL           string            `json:"url,omitempty"`
	Method        string            `json:"method,omitempty"`
	Handler       string            `json:"handler,omitempty"`
	Function      string            `json:"function,omitempty"`
	Endpoint      string            `json:"endpoint,omitempty" doc:"Of a function: the app that serves it."`
	Process       string            `json:"process,omitempty" doc:"What a worker process runs."`
	Workers       string            `json:"workers,omitempty" doc:"Of a process: the workers that carry it out, when they have a name."`
	Once          bool              `json:"once,omitempty" doc:"What has begun is never begun again."`
	ParentID      string            `json:"parent_id,omitempty" doc:"Of a call: the function that made it."`
	RootID        string            `json:"root_id,omitempty" doc:"Of a call: the first function of its tree."`
	EarlierRun    bool              `json:"earlier_run,omitempty" doc:"Of a call in a tree: it was made before its caller was begun again from its input, and its result goes nowhere."`
	Priority      int16             `json:"priority" doc:"0 (first) to 9."`
	Group         string            `json:"group,omitempty"`
	Run           int32             `json:"run" doc:"1, and one more after each manual retry and each time that a function is begun again from its input."`
	Attempts      int32             `json:"attempts" doc:"Attempts of this run that were spent or are under way."`
	MaxAttempts   int32             `json:"max_attempts" doc:"0 = as many as it takes until it expires, which is the rule for functions."`
	Timeout       string            `json:"timeout"`
	Retry         Retry             `json:"retry"`
	Retention     *Retention        `json:"retention,omitempty" doc:"How long it stays visible when it has ended, as submitted; what is left out is as its queue says."`
	CreatedAt     string            `json:"created_at"`
	RunAt         string            `json:"run_at,omitempty" doc:"When its first attempt was due, if it was submitted with a delay or a time."`
	NextAt        string            `json:"next_at,omitempty" doc:"Of a scheduled task: when it is due. Of a suspended or blocked function: when it is looked at again at the latest."`
	ExpiresAt     string            `json:"expires_at,omitempty"`
	StartedAt     string            `json:"started_at,omitempty" doc:"Start of the last attempt."`
	FinishedAt    string            `json:"finished_at,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	LastStatus    int32             `json:"last_status,omitempty" doc:"HTTP status of the last attempt's answer."`
	LastError     string            `json:"last_error,omitempty" scope:"payloads"`
	LastCause     string            `json:"last_cause,omitempty" enum:"refused,reset,timeout,dns,tls,memory" doc:"Why the last attempt got no answer: see cause of an attempt."`
	WaitingFor    *Waiting          `json:"waiting_for,omitempty" doc:"What it waits for, when it neither runs nor has ended; shown for a single task."`
	AckBy         string            `json:"ack_by,omitempty" doc:"Of a running task whose push was answered 202 with Sendoff-Ack: manual: by when its app has to tell how it ends."`
	Progress      *Progress         `json:"progress,omitempty" doc:"How far the attempt is that is under way, as it told last; shown for a single task."`
	ContentType   string            `json:"content_type,omitempty"`
	UniqueKey     string            `json:"unique_key,omitempty"`
	Limits        []Limit           `json:"limits,omitempty" doc:"As submitted; what is configured of them counts in place."`
	OrderKey      string            `json:"order_key,omitempty"`
	OnDuplicate   string            `json:"on_duplicate,omitempty" enum:"serial,discard,queue_one,replace"`
	DuplicateKey  string            `json:"duplicate_key,omitempty"`
	DependsOn     []string          `json:"depends_on,omitempty" doc:"As submitted: see /v1/tasks/{id}/dependencies."`
	When          string            `json:"when,omitempty" enum:"all_ok,always,any_failed"`
	OnSuccess     *Callback         `json:"on_success,omitempty" doc:"Made when it has succeeded."`
	OnFailure     *Callback         `json:"on_failure,omitempty" doc:"Made when it has failed or was canceled."`
	OnComplete    *Callback         `json:"on_complete,omitempty" doc:"Made when it has ended."`
	CallbackOf    string            `json:"callback_of,omitempty" doc:"Id of the task whose end it tells."`
	Dropped       bool              `json:"dropped,omitempty" doc:"Of a submission: nothing was stored, by the rule for duplicates; this is a task that is there."`
	Headers       map[string]string `json:"headers,omitempty" scope:"payloads" doc:"As submitted; shown for a single task."`
	Payload       json.RawMessage   `json:"payload,omitempty" scope:"payloads" doc:"As submitted; shown for a single task."`
	PayloadBase64 string            `json:"payload_base64,omitempty" scope:"payloads" doc:"In place of payload, when it is no text."`
	Result        json.RawMessage   `json:"result,omitempty" scope:"payloads" doc:"What a function or a process returned; shown for a single task."`
	Error         *FunctionError    `json:"error,omitempty" scope:"payloads" doc:"What a function failed with; shown for a single task."`
	Redacted      bool              `json:"redacted,omitempty" doc:"What it carries was left out: the key has no scope payloads."`
}

// Progress is how far an attempt is, in an answer.
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total,omitempty" doc:"0 or absent: it is not known."`
	Text  string `json:"text,omitempty" scope:"payloads"`
	At    string `json:"at" doc:"When it was told."`
}

// Callback is a task that is made when another one has ended, in an answer.
type Callback struct {
	Kind     string `json:"kind" enum:"http,function,process,local"`
	Queue    string `json:"queue"`
	Name     string `json:"name,omitempty"`
	URL      string `json:"url,omitempty"`
	Function string `json:"function,omitempty"`
	Process  string `json:"process,omitempty"`
	Handler  string `json:"handler,omitempty"`
}

// Retry is a retry policy in an answer, defaults filled in.
type Retry struct {
	MaxAttempts int32   `json:"max_attempts"`
	MaxAge      string  `json:"max_age"`
	MinBackoff  string  `json:"min_backoff"`
	MaxBackoff  string  `json:"max_backoff"`
	Factor      float64 `json:"factor"`
	Jitter      float64 `json:"jitter"`
}

func timeText(us int64) string {
	if us == 0 {
		return ""
	}
	return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000000Z")
}

func retryView(r task.RetryPolicy, attempts int32) Retry {
	r = r.WithDefaults()
	return Retry{
		MaxAttempts: attempts, MaxAge: r.MaxAge.String(), MinBackoff: r.MinBackoff.String(), MaxBackoff: r.MaxBackoff.String(),
		Factor: r.Factor, Jitter: r.Jitter,
	}
}

// described holds what never changes about a task.
func described(id task.ID, spec *task.Spec, queue string, maxAttempts int32) Task {
	t := Task{
		ID: spec.PublicID(id), Job: id.Number(), Kind: spec.Kind.String(), Queue: queue, Name: spec.Name, Schedule: spec.Schedule, URL: spec.URL, Handler: spec.Handler, Process: spec.Process, Workers: spec.Workers, Once: spec.Once,
		Group: spec.Group, MaxAttempts: maxAttempts, Timeout: spec.TimeoutOrDefault().String(), Retry: retryView(spec.Retry, maxAttempts),
		RunAt: timeText(spec.RunAt), Labels: spec.Labels, ContentType: spec.ContentType, UniqueKey: spec.UniqueKey,
		Retention: retentionView(spec.Retention),
	}
	switch spec.Kind {
	case task.HTTP:
		t.Method = spec.MethodOrDefault()
	case task.Function:
		t.Function, t.Endpoint = spec.Function, spec.Endpoint
	}
	if maxAttempts >= task.Unlimited {
		t.MaxAttempts, t.Retry.MaxAttempts = 0, 0
	}
	t.withWaits(spec)
	t.withCallbacks(spec)
	return t
}

func (t *Task) withCallbacks(spec *task.Spec) {
	t.CallbackOf = spec.CallbackOf
	for i := range spec.Callbacks {
		c := &spec.Callbacks[i]
		s := &c.Spec
		v := &Callback{Kind: s.Kind.String(), Queue: c.Queue, Name: s.Name, URL: s.URL, Function: s.Function, Process: s.Process, Handler: s.Handler}
		switch c.On {
		case task.OnSuccess:
			t.OnSuccess = v
		case task.OnFailure:
			t.OnFailure = v
		default:
			t.OnComplete = v
		}
	}
}

// resulter knows what tasks have ended with.
type resulter interface {
	Result(ctx context.Context, t *operate.Task) ([]byte, error)
}

// withEnd adds what a task has ended with, to the view of a single one.
func (t *Task) withEnd(ctx context.Context, of *operate.Task, tasks resulter) error {
	if of.Kind != task.Function && of.Kind != task.Process || !of.State.Final() {
		return nil
	}
	body, err := tasks.Result(ctx, of)
	switch {
	case err != nil:
		return err
	case of.Kind == task.Function:
		t.withResult(body)
	case json.Valid(body): // one that was cut is none
		t.Result = body
	}
	return nil
}

// Ended is a task that has ended as GET /v1/tasks/{id} shows it, without its payload.
func Ended(ctx context.Context, t *operate.Task, tasks resulter) ([]byte, error) {
	v := viewOf(t)
	if err := v.withEnd(ctx, t, tasks); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// viewOf shows a task as it is.
func viewOf(t *operate.Task) Task {
	v := described(t.ID, t.Spec, t.Queue, t.MaxAttempts)
	v.State, v.Reason, v.Priority, v.Run, v.Attempts = t.State.String(), t.Reason.String(), t.Priority, t.Run, t.Attempts()
	v.CreatedAt, v.ExpiresAt = timeText(t.CreatedAt), timeText(t.ExpiresAt)
	v.StartedAt, v.FinishedAt = timeText(t.LastStarted), timeText(t.FinishedAt)
	v.LastStatus, v.LastError, v.LastCause, v.EarlierRun = t.LastCode, t.LastError, t.LastCause.String(), t.EarlierRun
	switch t.State {
	case task.Scheduled, task.Suspended, task.Blocked:
		v.NextAt = timeText(t.At)
	case task.Running:
		if t.Detached() {
			v.AckBy = timeText(t.At)
		}
	}
	if !t.Parent.IsZero() {
		v.ParentID, v.RootID = t.Parent.String(), t.Root.String()
	}
	return v
}

// createdView shows a task as it was when it was accepted: the answer to its
// submission, however often that is repeated.
func createdView(id task.ID, spec *task.Spec, queue string, priority int16, maxAttempts int32, createdAt, expiresAt int64) Task {
	v := described(id, spec, queue, maxAttempts)
	v.Priority, v.Run, v.CreatedAt, v.ExpiresAt = priority, 1, timeText(createdAt), timeText(expiresAt)
	v.State = task.Ready.String()
	if spec.RunAt > createdAt {
		v.State, v.Reason, v.NextAt = task.Scheduled.String(), task.Delayed.String(), v.RunAt
	}
	return v
}

// withPayload adds what only the view of a single task shows.
func (t *Task) withPayload(spec *task.Spec, payload []byte) {
	for _, h := range spec.Header {
		if t.Headers == nil {
			t.Headers = map[string]string{}
		}
		t.Headers[h.Name] = h.Value
	}
	switch {
	case spec.Kind == task.Function:
		t.functionPayload(spec, payload)
	case len(payload) == 0:
	case !utf8.Valid(payload):
		t.PayloadBase64 = base64.StdEncoding.EncodeToString(payload)
	case json.Valid(payload):
		t.Payload = payload
	default:
		t.Payload, _ = json.Marshal(string(payload)) // text cannot fail
	}
}

// Attempt is an attempt in an answer.
type Attempt struct {
	Number     int32             `json:"number" doc:"Within its run, from 1."`
	Run        int32             `json:"run"`
	Token      int64             `json:"token"`
	Node       string            `json:"node,omitempty"`
	StartedAt  string            `json:"started_at"`
	FinishedAt string            `json:"finished_at,omitempty"`
	Duration   string            `json:"duration,omitempty"`
	Outcome    string            `json:"outcome" enum:"running,success,failure,reject,throttle,interrupt,crash,cancel,snooze,expire,suspend,continue,block"`
	Status     int32             `json:"status,omitempty" doc:"HTTP status of the answer; exit status of a process."`
	Error      string            `json:"error,omitempty" scope:"payloads"`
	Cause      string            `json:"cause,omitempty" enum:"refused,reset,timeout,dns,tls,memory" doc:"Why there was no answer: nobody listens there, the connection was closed, it took too long, the host name could not be resolved, no secure connection could be made, its process was ended for want of memory. Empty when there was one, or none of these fits."`
	Headers    map[string]string `json:"headers,omitempty" scope:"payloads" doc:"Of the answer."`
	Body       string            `json:"body,omitempty" scope:"payloads" doc:"Of the answer, up to 64 KiB."`
	BodyBase64 string            `json:"body_base64,omitempty" scope:"payloads" doc:"In place of body, when it is no text."`
	Truncated  bool              `json:"truncated,omitempty" doc:"The body was longer than what is kept."`
	Address    string            `json:"address,omitempty" doc:"Of a push: the IP address and port that were connected."`
	Reused     bool              `json:"reused,omitempty" doc:"Of a push: the connection was there already, from an earlier one."`
	Phases     *Phases           `json:"phases,omitempty" doc:"Of a push: how long its parts took, those that it had. Not of a success without content."`
	FailedIn   string            `json:"failed_in,omitempty" enum:"dns,connect,tls,first_byte,body" doc:"Of a push: the phase that did not end."`
	Result     json.RawMessage   `json:"result,omitempty" scope:"payloads" doc:"What the run of a function, or a process, returned."`
	Output     string            `json:"output,omitempty" scope:"payloads" doc:"What the process that carried it out has printed: the last 16 KiB."`
	OutputCut  bool              `json:"output_truncated,omitempty" doc:"It has printed more."`
	Failure    *FunctionError    `json:"failure,omitempty" scope:"payloads" doc:"What the run of a function failed with."`
	LeftOut    int64             `json:"left_out,omitempty" doc:"How many attempts between the one before and this one are not kept: the first 10 and the last 90 are."`
	Redacted   bool              `json:"redacted,omitempty" doc:"What it carries was left out: the key has no scope payloads."`
}

// Phases are the parts of a push, one after the other, in an answer.
type Phases struct {
	DNS       string `json:"dns,omitempty" doc:"The name was looked up." example:"1.2ms"`
	Connect   string `json:"connect,omitempty" doc:"TCP."`
	TLS       string `json:"tls,omitempty" doc:"The handshake."`
	FirstByte string `json:"first_byte,omitempty" doc:"From the connection to the first byte of the answer: the request was sent, and the app worked."`
	Body      string `json:"body,omitempty" doc:"The rest of the answer."`
}

func attemptView(a *store.AttemptRow, kind task.Kind) Attempt {
	v := Attempt{
		Number: a.Number, Run: a.Run, Token: a.Token, StartedAt: timeText(a.StartedAt), FinishedAt: timeText(a.FinishedAt),
		Outcome: a.Outcome.String(), Status: a.Code, Error: a.Error, Cause: a.Cause.String(), Truncated: a.Answer.Truncated, LeftOut: a.LeftOut,
	}
	if !a.Node.IsZero() {
		v.Node = a.Node.String()
	}
	if a.Outcome == task.NoOutcome {
		v.Outcome = task.Running.String()
	} else {
		v.Duration = (time.Duration(a.FinishedAt-a.StartedAt) * time.Microsecond).String()
	}
	if kind == task.Process {
		v.ofProcess(a.Answer)
		return v
	}
	for _, h := range a.Answer.Header {
		if strings.HasPrefix(h.Name, ":") {
			continue // ours
		}
		if v.Headers == nil {
			v.Headers = map[string]string{}
		}
		v.Headers[h.Name] = h.Value
	}
	if met, ok := a.Answer.Anatomy(); ok {
		v.met(&met)
	}
	if kind == task.Function {
		v.withResult(a.Answer.Body)
		return v
	}
	if utf8.Valid(a.Answer.Body) {
		v.Body = string(a.Answer.Body)
	} else {
		v.BodyBase64 = base64.StdEncoding.EncodeToString(a.Answer.Body)
	}
	return v
}

// met shows what a push has met on its way.
func (a *Attempt) met(v *task.Anatomy) {
	a.Address, a.Reused, a.FailedIn = v.Address, v.Reused, v.FailedIn.String()
	text := func(p task.Phase) string {
		if v.Took[p] == 0 {
			return ""
		}
		return v.Took[p].String()
	}
	a.Phases = &Phases{text(task.PhaseDNS), text(task.PhaseConnect), text(task.PhaseTLS), text(task.PhaseFirstByte), text(task.PhaseBody)}
}

// ofProcess shows what a process brought back.
func (a *Attempt) ofProcess(answer task.Answer) {
	a.Output, a.OutputCut = answer.Output()
	a.Output = strings.ToValidUTF8(a.Output, "\uFFFD")
	if !a.Truncated && len(answer.Body) > 0 {
		a.Result = answer.Body
		return
	}
	a.Body = strings.ToValidUTF8(string(answer.Body), "\uFFFD")
}

// Queue is a queue in an answer.
type Queue struct {
	Name      string `json:"name"`
	Paused    bool   `json:"paused"`
	CreatedAt string `json:"created_at,omitempty"`

	Settings  QueueSettings `json:"settings" doc:"What was set."`
	Effective QueueSettings `json:"effective" doc:"The same with the defaults: those of a push, where functions have others."`
}

// QueueStats is the depth of a queue in an answer.
type QueueStats struct {
	Queue       string `json:"queue"`
	Paused      bool   `json:"paused"`
	Ready       int64  `json:"ready"`
	Scheduled   int64  `json:"scheduled"`
	Running     int64  `json:"running" doc:"In flight, on all nodes."`
	Suspended   int64  `json:"suspended"`
	Blocked     int64  `json:"blocked"`
	Failed      int64  `json:"failed"`
	OldestReady string `json:"oldest_ready" doc:"How long the oldest ready task has waited."`

	Groups []GroupStats `json:"groups,omitempty" doc:"Where groups take turns: those of which something waits or runs, the 20 with the most ready tasks first."`
}

// GroupStats is the depth of a queue for one of its groups in an answer.
type GroupStats struct {
	Group       string `json:"group" doc:"Empty: of all tasks that stand in no line of a group of their own."`
	Weight      int32  `json:"weight"`
	Ready       int64  `json:"ready"`
	Scheduled   int64  `json:"scheduled"`
	Running     int64  `json:"running"`
	OldestReady string `json:"oldest_ready" doc:"How long its oldest ready task has waited."`
}

func statsView(s operate.QueueStats) QueueStats {
	var groups []GroupStats
	for _, g := range s.Groups {
		groups = append(groups, GroupStats{g.Group, g.Weight, g.Ready, g.Scheduled, g.Running, g.OldestReady.String()})
	}
	return QueueStats{
		Groups: groups, Queue: s.Queue, Paused: s.Paused, Ready: s.Ready, Scheduled: s.Scheduled, Running: s.Running, Suspended: s.Suspended,
		Blocked: s.Blocked, Failed: s.Failed, OldestReady: s.OldestReady.String(),
	}
}

// Node is a node in an answer.
type Node struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Roles      []string `json:"roles"`
	Version    int32    `json:"version" doc:"Of what it writes to the database."`
	StartedAt  string   `json:"started_at"`
	LeaseUntil string   `json:"lease_until,omitempty" doc:"Absent where no other node could take over."`
	Draining   bool     `json:"draining" doc:"It claims nothing more: it is stopping, or was told so."`
}
