package operate

import (
	"context"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// receiveEvery is how often messages are looked for of which this node is not told:
// those that come by way of other nodes.
const receiveEvery = time.Second

// maxReceived bounds the bodies of messages that are given at a time, in bytes.
const maxReceived = 15_000_000

// Receive returns the messages behind the one with the number after to a function
// that is running under a token, as soon as there are some, and none after the given
// time or when ctx ends. store.ErrLeaseLost when the attempt is over.
func (f *Functions) Receive(ctx context.Context, run store.Held, after int64, atMost time.Duration) (store.Resumption, error) {
	told, stop := f.tasks.ends.watch(run.ID)
	defer stop()
	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	for {
		r, err := f.receive(ctx, run, after)
		if ctx.Err() != nil {
			return store.Resumption{}, nil
		}
		if err != nil || len(r.Messages) > 0 {
			return r, err
		}
		select {
		case <-told:
		case <-time.After(receiveEvery):
		case <-deadline.C:
			return r, nil
		case <-ctx.Done():
			return r, nil
		}
	}
}

// receive looks whether the attempt goes on when it has read the messages: then they
// were there for it, for only its end uses messages up.
func (f *Functions) receive(ctx context.Context, run store.Held, after int64) (store.Resumption, error) {
	r, err := f.store.Resume(ctx, run.ID, after, task.MaxResults, maxReceived)
	if err != nil {
		return r, err
	}
	lost, err := f.store.Lost(ctx, []store.Held{run})
	if err == nil && len(lost) > 0 {
		err = fmt.Errorf("task %s: %w", run.ID, store.ErrLeaseLost)
	}
	return r, err
}
