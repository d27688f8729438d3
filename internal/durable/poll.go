package durable

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// The limits of a poll in the protocol of Dispatch.
const (
	maxResults = 1000
	minWait    = time.Second
	longWait   = 24 * time.Hour
)

// poll suspends the run: it sends the calls that are new and says what to wait
// for.
func (j *job) poll(r *Run) *sdkv1.RunResponse {
	poll := &sdkv1.Poll{MaxResults: maxResults, MinResults: int32(r.need()), MaxWait: durationpb.New(r.maxWait())}
	for _, f := range r.unsent {
		if !f.done || f.detached {
			poll.Calls = append(poll.Calls, f.call)
		}
	}
	res := &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK, Directive: &sdkv1.RunResponse_Poll{Poll: poll}}
	canceled := r.canceled
	r.log.add(&entry{kind: entryPoll})
	r.markSent()
	r.unsafe, r.cut = false, -1
	j.keep = &warm{id: j.id, run: r}
	if j.server() != nil {
		offset := r.log.taken
		segment := r.log.take(len(r.log.pending))
		res.Report = j.report(&sendoffv1.RunReport{Append: &sendoffv1.Append{Offset: offset, Segment: segment}, Cancel: canceled})
		j.keep.length, j.keep.writer = r.log.taken, j.token()
		return res
	}
	r.log.take(len(r.log.pending))
	state, err := packState(r.log.all)
	if err != nil { // cannot happen: it is written to memory
		j.keep = nil
		return temporary("journal", err.Error())
	}
	if j.req.GetContext() != nil {
		res.Report = j.report(&sendoffv1.RunReport{Cancel: canceled})
	}
	poll.State = &sdkv1.Poll_TypedCoroutineState{TypedCoroutineState: state}
	j.keep.state = hashState(state)
	return res
}

// owesDetached tells whether a function that has returned asked for detached
// calls that no poll carried yet.
func (r *Run) owesDetached() bool {
	for _, f := range r.unsent {
		if f.detached {
			return true
		}
	}
	return false
}

// need is the smallest number of results that can wake a branch, 1 to 1,000.
func (r *Run) need() int {
	need := 0
	for b := range r.live {
		if b.wait == nil {
			continue
		}
		if n := b.wait.need(); n > 0 && (need == 0 || n < need) {
			need = n
		}
	}
	return min(max(need, 1), maxResults)
}

// maxWait is the time until the next timer. The protocol of Dispatch has at
// least a second; a Sendoff server takes any time.
func (r *Run) maxWait() time.Duration {
	shortest := minWait
	if r.attempt.sendoff {
		shortest = time.Millisecond
	}
	if r.root.done { // only detached calls are to be sent
		return shortest
	}
	d := longWait
	if f := r.timers.nearest(); f != nil {
		d = min(d, fromMicros(f.at).Sub(r.now()))
	}
	return max(d, shortest)
}
