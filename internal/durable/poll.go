package durable

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/journal"
)

// The limits of a poll in the protocol of Dispatch.
const (
	maxResults = 1000
	minWait    = time.Second
	longWait   = 24 * time.Hour
)

// What one poll carries at most; what is left goes into the next, at once.
const (
	maxCalls     = 10_000
	maxCallBytes = 12 << 20
)

// maxJournalBytes is what still fits into a request of 16 MB.
const maxJournalBytes = 14 << 20

// poll suspends the run: it sends the calls that are new and says what to wait
// for.
func (j *job) poll(r *Run) *sdkv1.RunResponse {
	if size := r.log.Len(); size > maxJournalBytes {
		return failed(sdkv1.Status_STATUS_PERMANENT_ERROR, &sdkv1.Error{Type: "journal", Message: fmt.Sprintf(
			"sendoff: the journal has grown to %d bytes, at most %d are possible: use sendoff.Loop, move parts into functions of their own, or keep large results elsewhere", size, maxJournalBytes)})
	}
	if r.root.done {
		r.keepSignals()
	}
	prompt := r.attempt.sendoff && r.impatient()
	poll := &sdkv1.Poll{MaxResults: maxResults, MinResults: int32(r.need())}
	var sent int
	poll.Calls, sent = r.nextCalls(r.root.done)
	more := sent < len(r.unsent) || len(r.toStart) > 0
	if more || r.root.done || !r.idle() {
		poll.MaxWait = durationpb.New(r.maxWait(more))
	}
	res := &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK, Directive: &sdkv1.RunResponse_Poll{Poll: poll}}
	report := &sendoffv1.RunReport{Cancel: r.givenUp, Prompt: prompt, Undo: r.undoing.Load() > 0, Received: r.received()}
	entry := journal.PollEntry(sent, r.awaited())
	if len(r.toStart) > 0 {
		entry.Op = journal.OpStep
	}
	r.log.Add(&entry)
	r.markSent(sent)
	r.safe()
	j.keep = &warm{id: j.id, run: r}
	if j.server() != nil {
		report.Append = r.take(r.log.Pending())
		res.Report = j.report(report)
		j.keep.length, j.keep.writer = r.log.Taken(), j.token()
		return res
	}
	r.log.Take(r.log.Pending())
	state, err := packState(r.log.All())
	if err != nil { // cannot happen: it is written to memory
		j.keep = nil
		return temporary("journal", err.Error())
	}
	if j.req.GetContext() != nil {
		res.Report = j.report(report)
	}
	poll.State = &sdkv1.Poll_TypedCoroutineState{TypedCoroutineState: state}
	j.keep.state = hashState(state)
	return res
}

// keepSignals puts the signals on record that a function which has returned was told
// and did not come to: the poll that carries its last calls uses them up, and what
// takes its place is to be told of them.
func (r *Run) keepSignals() {
	for more := true; more; {
		more = r.takeSignal()
	}
}

// impatient tells whether a branch waits for more than a number of results: for a
// signal, or for a failure among many calls.
func (r *Run) impatient() bool {
	for b := range r.live {
		if b.wait != nil && b.wait.mode == ModeAll && b.wait.calls > 1 {
			return true
		}
	}
	return r.waits()
}

// need is the smallest number of results that can wake a branch, 1 to 1,000.
func (r *Run) need() int {
	need := 0
	for b := range r.live {
		if b.wait == nil {
			continue
		}
		if n := b.wait.need(r.attempt.sendoff); n > 0 && (need == 0 || n < need) {
			need = n
		}
	}
	return min(max(need, 1), maxResults)
}

// idle tells whether the clock alone wakes nothing, in virtual time, where nobody
// looks after a run that waits for what does not come.
func (r *Run) idle() bool {
	return r.attempt.virtual && r.timers.nearest() == nil && (r.expired || r.undoing.Load() == 0 || r.info.Expires.IsZero())
}

// maxWait is the time until the next timer. The protocol of Dispatch has at
// least a second; a Sendoff server takes any time.
func (r *Run) maxWait(more bool) time.Duration {
	shortest := minWait
	if r.attempt.sendoff {
		shortest = time.Millisecond
	}
	if more || r.root.done { // there is something to send, and nothing to wait for
		if r.attempt.sendoff && r.attempt.virtual {
			return 0
		}
		return shortest
	}
	d := longWait
	if f := r.timers.nearest(); f != nil {
		d = min(d, journal.Time(f.at).Sub(r.now()))
	}
	if !r.expired && r.undoing.Load() > 0 && !r.info.Expires.IsZero() { // the server wakes it only when it is too late
		d = min(d, r.deadline().Sub(r.now()))
	}
	return max(d, shortest)
}
