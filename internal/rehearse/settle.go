package rehearse

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/task"
)

// settle does what an answer says.
func (s *Scheduler) settle(a answer) {
	t := a.t
	t.running = false
	t.ring()
	lost := s.chance(s.Lose)
	a.ok(!lost || s.Shuffle.IntN(2) == 0)
	if s.Observe != nil {
		s.Observe(a.req, a.res)
	}
	if t.done {
		return
	}
	report := a.res.GetReport()
	switch {
	case lost:
		s.push(t)
		return
	case report.GetNeedJournal():
		t.needFull = true
		t.attempt--
		s.push(t)
		return
	case report.GetMismatch() != "":
		s.blocked = &BlockedError{report.GetMismatch()}
		return
	}
	if err := s.append(t, t.token, report.GetAppend()); err != nil {
		s.blocked = err
		return
	}
	for _, id := range report.GetCancel() {
		if child := t.open[id]; child != nil {
			delete(t.open, id)
			s.cancel(child)
		}
	}
	switch d := a.res.GetDirective().(type) {
	case *sdkv1.RunResponse_Poll:
		s.consume(t, report)
		t.undo = report.GetUndo()
		s.poll(t, d.Poll, report.GetPrompt())
		s.hurry(t, a.req)
	case *sdkv1.RunResponse_Exit:
		s.exit(t, a.req, a.res, d.Exit)
	default:
		s.end(t, a.res.GetStatus(), failure(a.res.GetStatus().String(), "no directive"))
	}
}

// consume forgets what an attempt was told that was carried out.
func (s *Scheduler) consume(t *run, report *sendoffv1.RunReport) {
	results, signals := t.told(report)
	t.attempt = 0
	t.pollFail = nil
	for _, r := range results {
		if i := slices.Index(t.inbox, r); i >= 0 {
			t.inbox = slices.Delete(t.inbox, i, i+1)
			t.old = append(t.old, r)
		}
	}
	t.signals = slices.DeleteFunc(t.signals, func(x *sendoffv1.Signal) bool {
		return slices.Contains(signals, x)
	})
}

func (s *Scheduler) poll(t *run, p *sdkv1.Poll, prompt bool) {
	t.state, t.resumed = p.GetTypedCoroutineState(), true
	t.least, t.most = int(p.GetMinResults()), int(p.GetMaxResults())
	t.waiting, t.prompt = true, prompt
	s.serial++
	t.serial = s.serial
	for _, c := range p.GetCalls() {
		child := s.start(c, t)
		if !child.detached && !child.done {
			t.open[c.GetCorrelationId()] = child
		}
	}
	if w := p.GetMaxWait(); w != nil {
		serial := t.serial
		s.at(s.clock().Add(w.AsDuration()), func() {
			if t.waiting && t.serial == serial {
				t.waiting = false
				s.push(t)
			}
		})
	}
	s.wake(t)
}

// wake resumes a suspended call when what it waits for is there.
func (s *Scheduler) wake(t *run) {
	t.ring()
	if !t.waiting || t.done {
		return
	}
	if t.met() {
		t.waiting = false
		s.push(t)
	}
}

// met tells whether what a suspended call waits for is there. Only what it was not
// told of yet is kept here.
func (t *run) met() bool {
	var box task.Mailbox
	open := int64(len(t.open) + len(t.inbox))
	box.Suspend(t.token, 0, open, task.Need(int32(t.least), int32(t.most), open), t.prompt)
	for _, r := range t.inbox {
		box.Put(r.GetError() != nil)
	}
	for range t.signals {
		box.Put(true)
	}
	return box.Met()
}

func (s *Scheduler) exit(t *run, req *sdkv1.RunRequest, res *sdkv1.RunResponse, e *sdkv1.Exit) {
	if res.GetReport().GetCancelOpenCalls() && !Temporary(res.GetStatus()) {
		for _, child := range t.open {
			s.cancel(child)
		}
	}
	if told := req.GetContext().GetCanceled(); told && (e.GetTailCall() != nil || !Temporary(res.GetStatus()) || t.attempt >= s.attempts(t)) {
		s.end(t, sdkv1.Status_STATUS_PERMANENT_ERROR, canceledWith(e.GetResult().GetError()))
		return
	}
	if next := e.GetTailCall(); next != nil {
		s.consume(t, res.GetReport())
		corr := t.correlation
		t.call = proto.CloneOf(next)
		t.correlation = corr
		t.state, t.journal, t.length, t.writer, t.resumed = nil, nil, 0, 0, false
		t.inbox, t.old, t.open = nil, nil, make(map[uint64]*run)
		s.tellAnew(t, res.GetReport().GetUntaken())
		t.epoch++
		t.undo = false
		s.push(t)
		return
	}
	if Temporary(res.GetStatus()) && t.attempt < s.attempts(t) {
		s.at(s.clock().Add(time.Duration(t.attempt)*100*time.Millisecond), func() { s.push(t) })
		return
	}
	result := e.GetResult()
	if result == nil {
		result = &sdkv1.CallResult{}
	}
	s.end(t, res.GetStatus(), result)
}

// tellAnew has the next life of a call told the signals that the last one left,
// and then those that came later.
func (s *Scheduler) tellAnew(t *run, untaken []*sendoffv1.Signal) {
	later := t.signals
	t.signals = nil
	for _, signal := range slices.Concat(untaken, later) {
		s.serial++
		t.signals = append(t.signals, &sendoffv1.Signal{Sequence: int64(s.serial), Name: signal.GetName(), Value: signal.GetValue()})
	}
}

func (s *Scheduler) attempts(t *run) int {
	if n := t.call.GetOptions().GetRetry().GetMaxAttempts(); n > 0 {
		return int(n)
	}
	return s.Attempts
}

// UndoTime is what a run that is canceled has for undoing what it did.
const UndoTime = 5 * time.Minute

// cancel ends a call, or has it undo what it did first.
func (s *Scheduler) cancel(t *run) {
	switch {
	case t.done || t.canceled:
	case !t.undo:
		s.cancelNow(t)
	default:
		t.canceled = true
		s.at(s.clock().Add(UndoTime), func() { s.cancelNow(t) })
		t.waiting = false
		s.push(t)
	}
}

func (s *Scheduler) cancelNow(t *run) {
	s.stop(t, sdkv1.Status_STATUS_PERMANENT_ERROR, wasCanceled())
}

// hurry runs a call again at once that has been canceled since its request.
func (s *Scheduler) hurry(t *run, req *sdkv1.RunRequest) {
	if t.canceled && !req.GetContext().GetCanceled() {
		t.waiting = false
		s.push(t)
	}
}

func wasCanceled() *sdkv1.CallResult { return failure("canceled", "the call was canceled") }

func canceledWith(fail *sdkv1.Error) *sdkv1.CallResult {
	result := wasCanceled()
	if fail != nil && fail.GetType() != "canceled" {
		result.Error.Message += "; " + fail.GetType() + ": " + fail.GetMessage()
	}
	return result
}

// stop ends a call and all that it waits for.
func (s *Scheduler) stop(t *run, status sdkv1.Status, result *sdkv1.CallResult) {
	if t.done {
		return
	}
	for _, child := range t.open {
		s.cancel(child)
	}
	s.end(t, status, result)
}

func (s *Scheduler) end(t *run, status sdkv1.Status, result *sdkv1.CallResult) {
	if t.done {
		return
	}
	t.done, t.waiting, t.status = true, false, status
	t.ring()
	s.ready = slices.DeleteFunc(s.ready, func(other *run) bool { return other == t })
	t.result = proto.CloneOf(result)
	if status != sdkv1.Status_STATUS_OK && t.result.GetError() == nil {
		t.result.Error = &sdkv1.Error{Type: status.String(), Message: status.String()}
	}
	t.result.CorrelationId, t.result.DispatchId = t.correlation, t.id
	s.deliver(s.tasks[t.parent], t)
}

func (s *Scheduler) deliver(parent, t *run) {
	if parent == nil || parent.done || t.detached {
		return
	}
	if open := parent.open[t.correlation]; open != nil && open != t {
		return
	}
	delete(parent.open, t.correlation)
	at := len(parent.inbox)
	if s.Shuffle != nil {
		at = s.Shuffle.IntN(at + 1)
	}
	parent.inbox = slices.Insert(parent.inbox, at, t.result)
	s.wake(parent)
}

// Temporary tells whether a call that ended so is tried again.
func Temporary(s sdkv1.Status) bool { return durable.Again(s) }
