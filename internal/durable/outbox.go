package durable

import (
	"slices"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

// outbox is the calls that a run asks for.
type outbox struct {
	calls    map[uint64]*Future // open ones, by their ordinal
	unsent   []*Future          // in order
	lastSent []*Future          // by the last poll, as far as its failure has not ended them
	givenUp  []uint64           // correlations of calls that the server has and nobody waits for
}

// ask adds a call that goes with a poll to come.
func (o *outbox) ask(f *Future) {
	o.unsent = append(o.unsent, f)
	if !f.detached {
		o.calls[f.ordinal] = f
	}
}

// nextCalls returns the calls for one poll, and how many of the unsent that are, with
// those that were given up. When the function has returned, nobody waits for any but
// the detached ones.
func (o *outbox) nextCalls(returned bool) (calls []*sdkv1.Call, sent int) {
	bytes := 0
	for _, f := range o.unsent {
		if f.detached || !f.done && !returned {
			bytes += len(f.call.GetInput().GetValue()) + len(f.call.GetFunction()) + 64
			if len(calls) == maxCalls || len(calls) > 0 && bytes > maxCallBytes {
				break
			}
			calls = append(calls, f.call)
		}
		sent++
	}
	return calls, sent
}

// markSent notes that a poll carried the first n of the calls that were unsent.
func (o *outbox) markSent(n int) {
	for _, f := range o.unsent[:n] {
		f.sent, f.call = true, nil
	}
	o.lastSent, o.unsent, o.givenUp = o.unsent[:n:n], o.unsent[n:], nil
}

// nextSent takes the next open call that the last poll carried; nil = there is none.
func (o *outbox) nextSent() *Future {
	for len(o.lastSent) > 0 {
		f := o.lastSent[0]
		o.lastSent = o.lastSent[1:]
		if !f.done {
			return f
		}
	}
	return nil
}

// owesDetached tells whether detached calls were asked for that no poll carried yet.
func (o *outbox) owesDetached() bool {
	return slices.ContainsFunc(o.unsent, func(f *Future) bool { return f.detached })
}

// begun tells whether the server has a call that is waited for.
func (o *outbox) begun() bool {
	for _, f := range o.calls {
		if f.sent {
			return true
		}
	}
	return false
}

// open tells whether there are calls that have not ended, or have not been sent.
func (o *outbox) open() bool { return len(o.calls) > 0 || len(o.unsent) > 0 }
