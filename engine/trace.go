package engine

import (
	"time"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/settle"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Span is something that took time, as a part of the trace of a task (W3C Trace Context).
// Below "task", which is from acceptance to the end, are "accept", until it was on disk, and
// each "attempt", until its end was. What an attempt calls is below that: pushes and runs of
// functions carry it as Traceparent, and tasks that functions make have their spans there.
type Span struct {
	Name       string // accept, attempt, task
	Trace      [16]byte
	ID, Parent task.SpanID // no parent: it begins the trace
	Followed   bool        // whoever submitted the task has begun the trace, and records it; else Config.Records was asked
	Start, End time.Time

	Task    task.ID
	TaskID  string // as clients know it
	Queue   string
	Kind    string
	Label   string // name of the task
	Target  string // what is called
	Attempt int    // of attempt: which one
	Token   int64  // of attempt

	Answered time.Time // of attempt: when it had ended, and went to be written
	Outcome  string    // of attempt
	State    string    // that the task has come to; of attempt and task
	Reason   string
	Code     int // of an HTTP answer
	Error    string
}

// span is what all spans of a task have; nil = nobody wants any, or this trace is hidden.
func (e *Engine) span(name string, id task.ID, lane int32, spec *task.Spec) *Span {
	if e.cfg.Trace == nil || spec == nil {
		return nil
	}
	t := e.traceOf(spec, id)
	if t.Hidden {
		return nil
	}
	return &Span{
		Name: name, Trace: t.ID, Parent: task.SpanOf(id), Followed: !t.Own, Task: id, TaskID: spec.PublicID(id),
		Queue: e.catalog.QueueName(lane), Kind: spec.Kind.String(), Label: spec.Name, Target: targetOf(spec),
	}
}

// traceOf is the trace of a task, hidden when nobody keeps its spans.
func (e *Engine) traceOf(spec *task.Spec, id task.ID) task.Trace {
	t := spec.TraceOf(id)
	if t.Own && e.cfg.Records != nil {
		t.Hidden = !e.cfg.Records(t.ID)
	}
	return t
}

// traceparent is the header that tells an app of an attempt.
func (e *Engine) traceparent(spec *task.Spec, id task.ID, token int64) string {
	return e.traceOf(spec, id).Traceparent(task.AttemptSpan(id, token))
}

func targetOf(spec *task.Spec) string {
	switch spec.Kind {
	case task.Function:
		return spec.Function
	case task.Process:
		return spec.Process
	case task.Local:
		return spec.Handler
	default:
		return spec.URL
	}
}

// traceAccept is the span of a task that was stored.
func (e *Engine) traceAccept(t *store.NewTask, began time.Time) {
	if e.cfg.Trace == nil {
		return
	}
	spec, err := task.DecodeSpec(t.Spec)
	if err != nil {
		return
	}
	if s := e.span("accept", t.ID, t.Lane, spec); s != nil {
		s.ID, s.Start, s.End = task.AttemptSpan(t.ID, 0), began, time.Now()
		e.cfg.Trace(*s)
	}
}

// traceAttempt is the span of an attempt whose end was written, and of its task when that was
// the last one.
func (e *Engine) traceAttempt(end *settle.End, to task.State, why task.Reason) {
	c := end.Task
	s := e.span("attempt", c.ID, c.Lane, end.Spec)
	if s == nil {
		return
	}
	s.ID, s.Start, s.End = task.AttemptSpan(c.ID, c.Token), end.Began, time.Now()
	if s.Start.IsZero() {
		s.Start = timeOf(c.StartedAt)
	} else {
		s.Answered = end.Began.Add(end.Took)
	}
	s.Attempt, s.Token, s.Outcome, s.State, s.Reason = int(c.Failures)+1, c.Token, end.Outcome.Class.String(), to.String(), why.String()
	s.Code, s.Error = int(end.Outcome.Code), end.Outcome.Error
	e.cfg.Trace(*s)
	if to.Final() {
		e.traceTask(*s, end.Spec, c.CreatedAt)
	}
}

// traceTask turns a span of a task that has ended into that of the task.
func (e *Engine) traceTask(s Span, spec *task.Spec, createdAt int64) {
	s.Name, s.ID, s.Parent, s.Start = "task", task.SpanOf(s.Task), spec.TraceOf(s.Task).Parent, timeOf(createdAt)
	s.Answered, s.Outcome, s.Token, s.Code = time.Time{}, "", 0, 0
	e.cfg.Trace(s)
}

// traceChange is the span of a task that has ended by what a person did.
func (e *Engine) traceChange(t *operate.Task) {
	if !t.State.Final() {
		return
	}
	if s := e.span("task", t.ID, t.Lane, t.Spec); s != nil {
		s.End, s.State, s.Reason = time.Now(), t.State.String(), t.Reason.String()
		e.traceTask(*s, t.Spec, t.CreatedAt)
	}
}
