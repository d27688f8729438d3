package accept

import (
	"cmp"
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// PrepareCall turns a call of a running function, which was claimed from a lane,
// into a row of the same namespace. Queue, priority and group are the caller's where the call names none, and a call that is
// waited for does not outlive its caller. The error is task.Invalid, or one of
// the catalog.
func (a *Acceptor) PrepareCall(ctx context.Context, caller *store.Claimed, from store.Lane, call *task.Call) (store.NewTask, error) {
	now := a.cfg.Store.Now()
	priority := int(min(caller.Priority, task.MaxPriority))
	s := Submission{
		Namespace: from.Namespace, Queue: cmp.Or(call.Queue, from.Queue), Spec: call.Spec, Payload: call.Payload, Delay: call.Delay, Priority: call.Priority,
		ExpiresAt: time.UnixMicro(expiry(caller, call, now)),
		Call:      &Caller{Parent: caller.ID, Root: caller.Root, Correlation: call.Correlation, Deliver: !call.Detached},
	}
	s.Spec.Trace = traceBelow(caller)
	if s.Priority == nil {
		s.Priority = &priority
	}
	return a.Prepare(ctx, &s)
}

func expiry(caller *store.Claimed, call *task.Call, now int64) int64 {
	at := now + call.Delay.Microseconds() + cmp.Or(call.Expiration, task.DefaultExpiration).Microseconds()
	if caller.ExpiresAt > now && !call.Detached {
		at = min(at, caller.ExpiresAt)
	}
	return max(at, now+call.Delay.Microseconds()+1000)
}

// traceBelow is the trace of what a run of a function calls.
func traceBelow(caller *store.Claimed) task.Trace {
	spec, err := task.DecodeSpec(caller.Spec)
	if err != nil {
		return task.Trace{}
	}
	return spec.TraceOf(caller.ID).Below(task.AttemptSpan(caller.ID, caller.Token))
}
