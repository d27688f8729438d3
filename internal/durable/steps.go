package durable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/journal"
)

// sendsFirst tells whether calls are to be given to the server before steps start,
// which may take as long as an attempt. Servers of Dispatch would keep the steps
// waiting for a second.
func (r *Run) sendsFirst() bool {
	calls, _ := r.nextCalls(r.root.done)
	return r.attempt.sendoff && len(calls) > 0
}

// startSteps starts the steps that are asked for. Steps that ended before must
// be on disk by then, where the server keeps the journal.
func (r *Run) startSteps(ctx context.Context) {
	if r.unsafe && r.attempt.flush != nil && !r.checkpoint(ctx, r.log.Pending(), 1) {
		return
	}
	r.shown = time.Now()
	for _, f := range r.toStart {
		if !f.done {
			r.startStep(f)
		}
	}
	r.toStart = nil
}

// checkpoint puts the first n pending bytes on record, or fails the run. rounds
// is how often the patience of one flush is spent on that.
func (r *Run) checkpoint(ctx context.Context, n, rounds int) bool {
	segment := r.take(n)
	var err error
	for range rounds {
		if err = r.attempt.flush(ctx, segment); err == nil {
			r.recorded(n)
			return true
		}
		if errors.Is(err, ErrStale) || ctx.Err() != nil {
			break
		}
	}
	r.fail(fmt.Errorf("%w: checkpoint: %w", errInterrupted, err))
	return false
}

// What a function waits for is on record after showAfter, so that people see it
// and what ended beside it is kept. The steps go on meanwhile, so the server gets
// more time than where nothing can go on without it.
const (
	showAfter  = time.Second
	showRounds = 10
)

// waitForSteps waits for the end of a step, for the next timer, or for what the
// server tells.
func (r *Run) waitForSteps(ctx context.Context) {
	n := r.repeatable()
	limit := time.Hour
	if n > 0 && r.attempt.flush != nil {
		if limit = showAfter - time.Since(r.shown); limit <= 0 {
			r.checkpoint(ctx, n, showRounds)
			return
		}
	}
	r.listen(ctx)
	r.waitFor(ctx, r.untilTimer(limit))
	r.hear()
}

func (r *Run) startStep(f *Future) {
	ctx, cancel := context.WithCancel(stepContext{f.ctx})
	f.cancel = cancel
	r.running[f] = struct{}{}
	if r.expired && ctx.Err() != nil { // the run's time was over before it began
		f.body, f.ctx = nil, nil
		r.stepEnded(f, StepEnd{Fail: &sdkv1.Error{Type: "canceled", Message: "the step was not begun: " + ctx.Err().Error()}})
		return
	}
	body, key := f.body, r.info.ID+":"+r.place(f.path)
	f.body, f.ctx = nil, nil
	go func() {
		runStep(ctx, body, key, func(end StepEnd) { r.stepEnded(f, end) })
	}()
}

func (r *Run) stepEnded(f *Future, end StepEnd) {
	r.mu.Lock()
	r.ended = append(r.ended, stepEnd{f, end})
	r.mu.Unlock()
	r.wakeUp()
}

// takeStep takes the end of one step.
func (r *Run) takeStep() bool {
	for {
		r.mu.Lock()
		if len(r.ended) == 0 {
			r.mu.Unlock()
			return false
		}
		end := r.ended[0]
		r.ended = r.ended[1:]
		r.mu.Unlock()
		if end.f.done {
			continue
		}
		e := journal.Entry{Kind: journal.Done, Ordinal: end.f.ordinal, Value: end.Value}
		if end.Attempts > 1 {
			e.N = uint64(end.Attempts)
		}
		if end.Fail != nil {
			e.Fail = encodeError(end.Fail)
			r.failed()
		}
		r.unsafe = true
		r.record(e)
		return true
	}
}

func encodeError(e *sdkv1.Error) []byte {
	b, err := proto.Marshal(e)
	if err != nil || len(b) == 0 {
		b, _ = proto.Marshal(&sdkv1.Error{Type: "error", Message: "unknown error"})
	}
	return b
}

type stepKey struct{}

// stepContext is the context of a step: that of its branch without the right to
// use durable operations.
type stepContext struct{ context.Context } //nolint:containedctx // it is one

// Value implements context.Context.
func (c stepContext) Value(key any) any {
	switch key.(type) {
	case scopeKey:
		return nil
	case stepKey:
		return true
	}
	return c.Context.Value(key)
}

// Deadline implements context.Context.
func (c stepContext) Deadline() (time.Time, bool) { return c.Context.Deadline() }

// InStep tells whether ctx is that of a step.
func InStep(ctx context.Context) bool { return ctx.Value(stepKey{}) != nil }
