package protocol

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/task"
)

// Spec is the task that a call asks for. Where the call says nothing the field
// is zero.
func Spec(c *sdkv1.Call) task.Spec {
	o := c.GetOptions()
	rule, _ := duplicateRule(o) // checked before
	return task.Spec{
		Kind: task.Function, Function: c.GetFunction(), Endpoint: c.GetEndpoint(), Version: c.GetVersion(),
		Name: o.GetName(), Labels: o.GetLabels(), Timeout: o.GetTimeout().AsDuration(), Retry: Retry(o.GetRetry()),
		Limits: limits(o), OrderKey: o.GetOrderKey(), OnDuplicate: rule, DuplicateKey: o.GetDuplicateKey(),
	}
}

// limits are those that options name. A rate that cannot be read was refused before.
func limits(o *sendoffv1.CallOptions) (list []task.Limit) {
	for _, l := range o.GetLimits() {
		rate, _ := rateOf(l)
		list = append(list, task.Limit{Key: l.GetKey(), Concurrency: l.GetConcurrency(), Rate: rate, Burst: l.GetBurst()})
	}
	return list
}

func rateOf(l *sendoffv1.Limit) (task.Rate, error) {
	if l.GetRate() == "" {
		return task.Rate{}, nil
	}
	return task.ParseRate(l.GetRate())
}

func duplicateRule(o *sendoffv1.CallOptions) (task.OnDuplicate, error) {
	if o.GetOnDuplicate() == "" {
		return task.Parallel, nil
	}
	return task.ParseOnDuplicate(o.GetOnDuplicate())
}

// Retry is a policy in our words: what it leaves out is as in
// [task.FunctionRetry]. No policy at all is the zero value.
func Retry(r *sendoffv1.RetryPolicy) task.RetryPolicy {
	if r == nil {
		return task.RetryPolicy{}
	}
	p := task.RetryPolicy{
		MaxAttempts: r.GetMaxAttempts(), MaxAge: r.GetMaxAge().AsDuration(), Factor: r.GetFactor(),
		MinBackoff: r.GetMinBackoff().AsDuration(), MaxBackoff: r.GetMaxBackoff().AsDuration(),
	}
	if r.Jitter != nil {
		if p.Jitter = *r.Jitter; p.Jitter == 0 {
			p.Jitter = -1 // none at all, as opposed to the default
		}
	}
	return p.Or(task.FunctionRetry)
}

// Payload is the input of a call as a task keeps it: the Any, serialized; empty
// when there is none.
func Payload(input *anypb.Any) []byte {
	if input == nil {
		return nil
	}
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(input) // fails only for text that is not UTF-8, which no decoder lets pass
	return b
}

// Priority is the priority that options ask for; nil = none.
func Priority(o *sendoffv1.CallOptions) *int {
	if o == nil || o.Priority == nil {
		return nil
	}
	p := int(*o.Priority)
	return &p
}
