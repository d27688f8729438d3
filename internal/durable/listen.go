package durable

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// listener asks the server what came for a run while its steps are under way, one
// question at a time. It belongs to one attempt.
type listener struct {
	receive func(ctx context.Context, after int64) (*sendoffv1.ReceiveResponse, error)
	told    sendoffv1.Received // by it; the sequence is first that of the request
	asking  bool
	pause   time.Duration // after an error

	mu     sync.Mutex
	answer *sendoffv1.ReceiveResponse // nil = there is none yet
	err    error
}

// The pauses after questions that failed.
const (
	minPause = 500 * time.Millisecond
	maxPause = 30 * time.Second
)

// listens tells whether a branch waits for something that the server can tell while
// steps go on: the result of a call that has begun, or a signal.
func (r *Run) listens() bool {
	if r.waits() {
		return true
	}
	awaited := false
	for b := range r.live {
		awaited = awaited || b.wait != nil && b.wait.calls > 0
	}
	return awaited && r.begun()
}

// listen asks the server, unless that is being done or nobody would listen. ctx ends
// with the attempt.
func (r *Run) listen(ctx context.Context) {
	l := r.attempt.listener
	if l == nil || l.asking || !r.listens() {
		return
	}
	l.asking = true
	after, pause := l.told.GetSequence(), l.pause
	go func() {
		answer, err := l.ask(ctx, after, pause)
		l.mu.Lock()
		l.answer, l.err = answer, err
		l.mu.Unlock()
		r.wakeUp()
	}()
}

func (l *listener) ask(ctx context.Context, after int64, pause time.Duration) (*sendoffv1.ReceiveResponse, error) {
	if pause > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
	answer, err := l.receive(ctx, after)
	if answer == nil && err == nil {
		answer = &sendoffv1.ReceiveResponse{}
	}
	return answer, err
}

// hear takes what the server answered: it becomes a part of what the attempt brought.
func (r *Run) hear() {
	l := r.attempt.listener
	if l == nil || !l.asking {
		return
	}
	l.mu.Lock()
	answer, err := l.answer, l.err
	l.answer, l.err = nil, nil
	l.mu.Unlock()
	switch {
	case answer == nil && err == nil:
		return
	case errors.Is(err, ErrStale):
		r.fail(fmt.Errorf("%w: %w", errInterrupted, err))
	case err != nil:
		l.pause = min(max(2*l.pause, minPause), maxPause)
	default:
		l.pause = 0
		r.told(l, answer)
	}
	l.asking = false
}

// told adds what was told beside the request. A step that is started for it may start
// only when it is on record: another attempt is told all at once, in another order.
func (r *Run) told(l *listener, answer *sendoffv1.ReceiveResponse) {
	if answer.GetSequence() <= l.told.GetSequence() {
		return
	}
	result := &sdkv1.PollResult{}
	if a := answer.GetPollResult(); a != nil && a.UnmarshalTo(result) != nil {
		return // of a server that is not ours
	}
	l.told.Sequence = answer.GetSequence()
	l.told.Results += int32(len(result.GetResults()))
	l.told.Signals += int32(len(answer.GetSignals()))
	r.join(result, answer.GetSignals())
	r.unsafe = true
}

// received is what the run was told beside its request; nil = nothing.
func (r *Run) received() *sendoffv1.Received {
	l := r.attempt.listener
	if l == nil || l.told.GetResults() == 0 && l.told.GetSignals() == 0 {
		return nil
	}
	return &l.told
}

// wakeUp ends the waiting of the scheduler, now or the next time.
func (r *Run) wakeUp() {
	select {
	case r.notify <- struct{}{}:
	default:
	}
}
