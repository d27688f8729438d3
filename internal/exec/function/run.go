package function

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// run is one attempt.
type run struct {
	*Executor
	task     *store.Claimed
	spec     *task.Spec
	target   *target
	endpoint *endpoint

	resumption store.Resumption
	state      state // what it was suspended with; zero = it was not
	resumed    bool  // it goes on from a poll
	delivered  delivery
	small      bool // the endpoint refused a request as too large
}

// verdict is an outcome and what it says about the endpoint.
type verdict struct {
	outcome task.Outcome
	effect  pace.Effect
	answers bool   // the endpoint runs functions: it is not paused any more
	pause   string // why the endpoint is to be left alone; "" = it is not
	away    bool   // because there is no connection to it
	broke   bool   // the connection was closed without an answer
	plain   bool   // a plain 500, which is not how the protocol reports an error
	sdk     string // Sendoff's SDK, as the report calls it
	warm    bool   // the endpoint may hold the journal that this attempt left
}

// end is what the limiter of the endpoint's host is told.
func (v *verdict) end() pace.End {
	return pace.End{Effect: v.effect, Broke: v.broke, Why: v.why(), Text: v.outcome.Error}
}

func (v *verdict) why() pace.Why {
	if v.outcome.Class == task.Throttle || v.outcome.Code == http.StatusServiceUnavailable {
		return pace.Throttled
	}
	return pace.Errors
}

// attempt sends the run and reads the answer, within the time that is left.
func (r *run) attempt(ctx context.Context) verdict {
	if o, stop := r.load(ctx); stop {
		return verdict{outcome: o}
	}
	timeout, expires := r.spec.TimeoutOrDefault(), false
	if r.task.ExpiresAt != 0 {
		if left := time.UnixMicro(r.task.ExpiresAt).Sub(r.cfg.Now()); left < timeout {
			timeout, expires = left, true
		}
	}
	attempt, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	v := r.exchange(attempt, r.memory.holds(r.task.ID, r.target.key, r.resumption.Writer))
	if attempt.Err() == nil || v.answers {
		return v
	}
	if o, ok := exec.Stopped(ctx); ok {
		o.Error = r.what() + ": " + o.Error
		return verdict{outcome: o}
	}
	if expires {
		v.outcome = r.expire(ctx)
		return v
	}
	v = r.fail(sdkv1.Status_STATUS_TIMEOUT, 0, fmt.Sprintf("no answer within %s", timeout))
	v.outcome.Cause = task.CauseTimeout
	return v
}

// exchange sends the run; once more with the whole journal when the endpoint
// asks for it, and with fewer results when it refuses so many bytes.
func (r *run) exchange(ctx context.Context, warm bool) verdict {
	for {
		request, err := r.request(ctx, warm)
		if err != nil {
			return r.broken(err)
		}
		answer, err := r.send(ctx, request)
		if err != nil {
			return r.noAnswer(err)
		}
		if answer.status == http.StatusRequestEntityTooLarge && r.delivered.results > 0 && !r.small {
			r.small = true
			continue
		}
		response, v := r.read(answer)
		if response == nil {
			return v
		}
		if response.GetReport().GetNeedJournal() && warm {
			warm = false
			continue
		}
		v = r.judge(response)
		v.outcome.Code = int32(answer.status)
		return v
	}
}

// load asks what the function has to be told. The first attempt of a call knows
// that it is nothing.
func (r *run) load(ctx context.Context) (o task.Outcome, stop bool) {
	if r.task.Token == 1 {
		return o, false
	}
	var err error
	if r.resumption, err = r.cfg.Resume(ctx, r.task.ID, 0, task.MaxResults, maxDelivery); err != nil {
		if o, ok := exec.Stopped(ctx); ok {
			return o, true
		}
		return r.handBack(time.Second, "its state could not be read: "+err.Error()), true
	}
	r.resumed = r.resumption.Writer != 0 || r.resumption.State != nil
	if r.state, err = decodeState(r.resumption.State); err != nil {
		return r.fail(sdkv1.Status_STATUS_PERMANENT_ERROR, 0, err.Error()).outcome, true
	}
	return o, false
}

func (r *run) what() string {
	return "function " + r.spec.Function + " at " + describe(r.spec.Endpoint)
}

func (r *run) expired() bool {
	return r.task.ExpiresAt != 0 && r.cfg.Now().UnixMicro() >= r.task.ExpiresAt
}

// expire ends a call whose time is over. The type of the error is one that
// Python programs know; without a pickled value dispatch-py raises a
// RuntimeError with the message, and dispatch-go shows type and message.
func (r *run) expire(ctx context.Context) task.Outcome {
	after := time.Duration(r.task.ExpiresAt-r.task.CreatedAt) * time.Microsecond
	text := fmt.Sprintf("function %s expired: it did not end within %s", r.spec.Function, after.Round(time.Millisecond))
	if why := r.before(ctx); why != "" {
		text += "; before that: " + why
	}
	return task.Outcome{Class: task.Expire, Error: text, Answer: task.Answer{
		Header: r.record("TIMEOUT"), Body: r.result(nil, &sdkv1.Error{Type: protocol.TypeTimeout, Message: text}),
	}}
}

// before says what became of the attempt before this one; "" = nothing that explains
// why the call has not ended.
func (r *run) before(ctx context.Context) string {
	if r.cfg.Last == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	outcome, text, err := r.cfg.Last(ctx, r.task.ID)
	switch {
	case err != nil:
		return ""
	case outcome == task.Suspend:
		return "it waited for calls, a timer or a signal"
	}
	return text
}

// handBack puts the run off. Those that were put off together do not come back
// together.
func (r *run) handBack(wait time.Duration, why string) task.Outcome {
	wait += rand.N(wait/4 + time.Second)
	return task.Outcome{Class: task.Throttle, Why: task.PutOff, RetryAfter: wait, Error: r.what() + ": " + why}
}

// putOff is a hand back of a run that was not begun, because of its endpoint, whose line
// says when it comes back.
func (r *run) putOff(wait time.Duration, why string) task.Outcome {
	r.endpoint.PutOff()
	r.cfg.Meter.PutOff()
	return task.Outcome{Class: task.Throttle, Why: task.PutOff, RetryAfter: wait, Error: r.what() + ": " + why}
}

// unsendable is the outcome for an endpoint that cannot be called: an operator
// can open a refused address, and an embedded endpoint may be in another process.
func (r *run) unsendable(err error) task.Outcome {
	switch {
	case errors.Is(err, errNotHere):
		return r.handBack(5*time.Second, err.Error())
	case errors.Is(err, egress.ErrRefused):
		return r.fail(sdkv1.Status_STATUS_TCP_ERROR, 0, err.Error()).outcome
	}
	return r.fail(sdkv1.Status_STATUS_INVALID_ARGUMENT, 0, err.Error()).outcome
}

// result is the CallResult that the parent gets to see.
func (r *run) result(from *sdkv1.CallResult, fail *sdkv1.Error) []byte {
	result := &sdkv1.CallResult{DispatchId: r.task.ID.String(), Output: from.GetOutput(), Error: fail}
	return protocol.Encode(result)
}

// record is what the timeline of a task shows of a run:
//
//	Status         how it ended, in the protocol's words
//	SDK            Sendoff's SDK that answered
//	Results        results of calls that were delivered
//	Signals        signals that were delivered
//	Journal-Bytes  of the journal before the run
//	State-Bytes    of the state that it waits with
//	Calls          calls that it asked for
//	Wait           how long it waits at most
//	Poll-Error     why its calls were not made
//	Next           the function that takes its place
//
// What is zero is left out.
func (r *run) record(status string, more ...task.Header) []task.Header {
	h := []task.Header{{Name: "Status", Value: status}}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"Results", r.delivered.results},
		{"Signals", r.delivered.signals},
		{"Journal-Bytes", int(r.resumption.Journal)},
	} {
		if n.value > 0 {
			h = append(h, task.Header{Name: n.name, Value: strconv.Itoa(n.value)})
		}
	}
	return append(h, more...)
}
