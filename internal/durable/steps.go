package durable

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/journal"
)

// startSteps starts the steps that are asked for. Steps that ended before must
// be on disk by then, where the server keeps the journal.
func (r *Run) startSteps(ctx context.Context) {
	if r.unsafe && r.attempt.flush != nil {
		if err := r.checkpoint(ctx); err != nil {
			r.fail(fmt.Errorf("%w: checkpoint: %w", errInterrupted, err))
			return
		}
	}
	for _, f := range r.toStart {
		if !f.done {
			r.startStep(f)
		}
	}
	r.toStart = nil
}

func (r *Run) checkpoint(ctx context.Context) error {
	offset := r.log.Taken()
	segment := r.log.Take(r.log.Pending())
	if err := r.attempt.flush(ctx, segment, offset); err != nil {
		return err
	}
	r.unsafe, r.cut = false, -1
	return nil
}

func (r *Run) startStep(f *Future) {
	ctx, cancel := context.WithCancel(stepContext{f.ctx})
	f.cancel = cancel
	r.running[f] = struct{}{}
	body, key := f.body, r.info.ID+":"+r.place(f.path)
	f.body, f.ctx = nil, nil
	go func() {
		runStep(ctx, body, key, func(value Value, fail *sdkv1.Error) {
			r.mu.Lock()
			r.ended = append(r.ended, stepEnd{f, value, fail})
			r.mu.Unlock()
			select {
			case r.notify <- struct{}{}:
			default:
			}
		})
	}()
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
		e := journal.Entry{Kind: journal.Done, Ordinal: end.f.ordinal, Value: end.value}
		if end.fail != nil {
			e.Fail = encodeError(end.fail)
			if r.cut < 0 {
				r.cut = r.log.Pending()
			}
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
type stepContext struct{ context.Context }

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
