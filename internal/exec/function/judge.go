package function

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/task"
)

// judge turns the answer of a function into an outcome and its progress.
func (r *run) judge(m *sdkv1.RunResponse) verdict {
	report := m.GetReport()
	r.delivered.received(report.GetReceived())
	var v verdict
	switch {
	case report.GetNeedJournal():
		v = r.invalid("the endpoint asks for a journal that it was just sent")
	case report.GetMismatch() != "":
		v = verdict{outcome: task.Outcome{Class: task.Block, Error: report.GetMismatch(), Answer: task.Answer{Header: r.record("MISMATCH")}}}
	default:
		v = r.directive(m)
		r.report(&v, report)
	}
	v.answers = true
	if report != nil {
		v.sdk = short(report.GetSdk())
		v.outcome.Answer.Header = append(v.outcome.Answer.Header, task.Header{Name: "SDK", Value: v.sdk})
	}
	v.warm = report != nil && v.outcome.Class == task.Suspend
	return v
}

// report adds what Sendoff's SDK tells besides. A function that begins again
// leaves nothing behind.
func (r *run) report(v *verdict, report *sendoffv1.RunReport) {
	p := v.outcome.Progress
	if report == nil || p != nil && p.Restart {
		if p != nil && p.Next != nil {
			p.Seen = 0 // it knows nothing of signals: what takes its place is told them
		}
		return
	}
	if p == nil {
		p = &task.Progress{}
	}
	if wait := report.GetRetryAfter().AsDuration(); wait > 0 {
		v.outcome.RetryAfter = wait
	}
	if a := report.GetAppend(); a != nil && p.Next == nil && a.GetOffset()+int64(len(a.GetSegment())) <= task.MaxState {
		p.Append = &task.Segment{Offset: a.GetOffset(), Bytes: a.GetSegment()}
	}
	p.Cancel, p.CancelOpen, p.Prompt = report.GetCancel(), report.GetCancelOpenCalls(), report.GetPrompt()
	if p.Next != nil {
		p.Untaken = signalsOf(report.GetUntaken())
	}
	p.Undo = report.GetUndo()
	if p.Append != nil || len(p.Cancel) > 0 || p.CancelOpen || p.Undo {
		v.outcome.Progress = p
	}
}

// directive reads status and directive. The status alone decides whether the run
// is repeated; a result or an error beside it does not.
func (r *run) directive(m *sdkv1.RunResponse) verdict {
	status, exit := m.GetStatus(), m.GetExit()
	class := meaningOf(status).class
	if class != task.Success {
		return r.unsuccessful(status, exit)
	}
	if poll := m.GetPoll(); poll != nil {
		return r.suspend(poll, m.GetReport() != nil)
	}
	if exit.GetTailCall() != nil {
		return r.goOn(exit.GetTailCall())
	}
	return verdict{effect: meaningOf(status).effect, outcome: task.Outcome{Class: task.Success, Answer: task.Answer{
		Header: r.record(protocol.StatusName(status)), Body: r.result(exit.GetResult(), exit.GetResult().GetError()),
	}}}
}

// unsuccessful is the verdict for a function that says that it failed. An error
// is made up when there is none, for a CallResult has no other sign of it.
func (r *run) unsuccessful(s sdkv1.Status, exit *sdkv1.Exit) verdict {
	fail := exit.GetResult().GetError()
	if fail == nil {
		fail = &sdkv1.Error{Type: protocol.StatusName(s), Message: "the function ended with status " + protocol.StatusName(s)}
	}
	v := r.failed(s, http.StatusOK, exit.GetResult(), fail, short(strings.TrimPrefix(fail.GetType()+": "+fail.GetMessage(), ": ")))
	if v.effect == pace.Shrink { // the endpoint has answered: the trouble is the function's
		v.effect = pace.Hold
	}
	lost := s == sdkv1.Status_STATUS_PERMANENT_ERROR && r.volatile(fail)
	switch next := exit.GetTailCall(); {
	case s == sdkv1.Status_STATUS_INCOMPATIBLE_STATE || lost:
		v.outcome.Class, v.outcome.Progress = task.Failure, &task.Progress{Restart: true}
		if r.last() {
			break
		}
		v.outcome.Error += ": it is begun again from its input"
	case next != nil && v.outcome.Class != task.Reject:
		call, err := r.next(next)
		if err != nil {
			return r.fail(sdkv1.Status_STATUS_INVALID_RESPONSE, http.StatusOK, "the tail call cannot be made: "+err.Error())
		}
		v.outcome.Progress = &task.Progress{Next: call, Seen: r.seen()}
		v.outcome.Error += ": it is tried again as " + call.Spec.Function
	}
	return v
}

// volatile tells whether a function was lost with the process that held it, as
// dispatch-go says it when it was built without its compiler.
func (r *run) volatile(fail *sdkv1.Error) bool {
	text := fail.GetMessage()
	return r.resumed && !r.state.ours && strings.Contains(text, "volatile coroutine") && strings.Contains(text, "not found") &&
		!r.cfg.keepsState(r.spec.Endpoint)
}

// goOn is the verdict for a tail call.
func (r *run) goOn(c *sdkv1.Call) verdict {
	call, err := r.next(c)
	if err != nil {
		return r.fail(sdkv1.Status_STATUS_INVALID_RESPONSE, http.StatusOK, "the tail call cannot be made: "+err.Error())
	}
	return verdict{effect: pace.Grow, outcome: task.Outcome{
		Class: task.Continue, Progress: &task.Progress{Next: call, Seen: r.seen()},
		Answer: task.Answer{Header: r.record("OK", task.Header{Name: "Next", Value: short(c.GetFunction())})},
	}}
}

// next is what takes the place of the function: everything that the tail call
// does not name stays as it is, its expiry always does.
func (r *run) next(c *sdkv1.Call) (*task.Call, error) {
	var bad task.Invalid
	r.rules.Check(&bad, "tail_call.", c)
	if err := bad.Err(); err != nil {
		return nil, err
	}
	wish, spec := protocol.Spec(c), *r.spec
	spec.Function, spec.ContentType = wish.Function, ""
	if wish.Endpoint != "" {
		spec.Endpoint = wish.Endpoint
	}
	if wish.Version != "" {
		spec.Version = wish.Version
	}
	if wish.Timeout != 0 {
		spec.Timeout = wish.Timeout
	}
	if c.GetOptions().GetRetry() != nil {
		spec.Retry = wish.Retry
	}
	return &task.Call{Spec: spec, Payload: protocol.Payload(c.GetInput())}, nil
}

// suspend is the verdict for a poll.
func (r *run) suspend(p *sdkv1.Poll, ours bool) verdict {
	s := stateOf(p, r.seen(), ours)
	open := max(r.resumption.Open-int64(r.delivered.results), 0)
	progress := &task.Progress{
		State: s.encode(), Open: open, Seen: s.seen, Min: max(p.GetMinResults(), 0), Max: max(p.GetMaxResults(), 0),
	}
	calls, err := r.calls(p.GetCalls())
	if err == nil {
		progress.Calls = calls
		progress.Open += task.WaitedFor(calls)
	}
	progress.MaxWait = maxWait(p.GetMaxWait(), progress.Open, ours)
	switch {
	case err != nil:
		progress.PollError = err.Error()
	case progress.Open == 0 && progress.MaxWait == 0 && !ours:
		if r.delivered.result.GetError() != nil && r.delivered.results == 0 {
			return r.fail(sdkv1.Status_STATUS_INVALID_RESPONSE, http.StatusOK, "the function waits for nothing, also after it was told so")
		}
		progress.PollError = "the poll waits for nothing: it has no calls, none of earlier polls are open, and it has no max_wait"
	}
	return verdict{effect: pace.Grow, outcome: task.Outcome{
		Class: task.Suspend, Progress: progress, Answer: task.Answer{Header: r.record("OK", wait(&s, progress)...)},
	}}
}

// wait is the record of what a function waits for.
func wait(s *state, p *task.Progress) []task.Header {
	h := []task.Header{{Name: "State-Bytes", Value: strconv.Itoa(s.size())}}
	if n := len(p.Calls); n > 0 {
		h = append(h, task.Header{Name: "Calls", Value: strconv.Itoa(n)})
	}
	if p.MaxWait > 0 {
		h = append(h, task.Header{Name: "Wait", Value: p.MaxWait.String()})
	}
	if p.PollError != "" {
		h = append(h, task.Header{Name: "Poll-Error", Value: short(p.PollError)})
	}
	return h
}

// seen is the last message that was used up. When none came with this run it is
// still the one of the run before.
func (r *run) seen() int64 {
	if r.delivered.seen > 0 {
		return r.delivered.seen
	}
	return r.state.seen
}

// maxWait is how long the function waits at most; 0 = until it expires. Without
// open calls a wait is a sleep, even one of no time at all. SDKs that fill in a
// zero do not mean to be resumed at once while calls are open.
func maxWait(d *durationpb.Duration, open int64, ours bool) time.Duration {
	switch wait := d.AsDuration(); {
	case d == nil:
		return 0
	case wait > 0:
		return max(min(wait, task.MaxExpiration), time.Millisecond)
	case open == 0 || ours:
		return time.Millisecond
	}
	return 0
}

// calls reads the calls of a poll: all of them, or what is wrong with some.
func (r *run) calls(list []*sdkv1.Call) ([]task.Call, error) {
	if len(list) > task.MaxCalls {
		return nil, fmt.Errorf("none of the calls was made: the poll has %d, at most %d are allowed", len(list), task.MaxCalls)
	}
	var bad task.Invalid
	calls := make([]task.Call, len(list))
	for i, c := range list {
		r.rules.Check(&bad, fmt.Sprintf("calls[%d].", i), c)
		if len(bad) == 0 {
			calls[i] = r.call(c)
		}
	}
	if len(bad) == 0 {
		return calls, nil
	}
	const shown = 5
	if more := len(bad) - shown; more > 0 {
		return nil, fmt.Errorf("none of the calls was made: %w; and %d more faults", bad[:shown], more)
	}
	return nil, fmt.Errorf("none of the calls was made: %w", bad)
}

func (r *run) call(c *sdkv1.Call) task.Call {
	o := c.GetOptions()
	call := task.Call{
		Correlation: c.GetCorrelationId(), Spec: protocol.Spec(c), Payload: protocol.Payload(c.GetInput()),
		Queue: o.GetQueue(), Priority: protocol.Priority(o), Delay: o.GetDelay().AsDuration(),
		Expiration: c.GetExpiration().AsDuration(), Detached: o.GetDetached(),
	}
	if call.Spec.Endpoint == "" {
		call.Spec.Endpoint = r.spec.Endpoint
	}
	call.Spec.Group = r.spec.Group
	return call
}
