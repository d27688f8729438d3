package engine

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// TaskChange is what is to become of a task that has not started. A zero field stays as it
// is, unless Default names it.
type TaskChange struct {
	Delay     time.Duration // until its first attempt, from now on
	RunAt     time.Time     // in place of Delay
	ExpiresAt time.Time     // not started from then on
	Queue     string        // where it waits from now on
	Priority  *int          // 0 (first) to 9
	Timeout   time.Duration // of one attempt, 1 s to 24 h
	Retry     task.RetryPolicy
	Labels    map[string]string // are set; the others stay
	Payload   any               // encoded as JSON
	Body      []byte            // the payload as it is, in place of Payload

	// Default names what is put back to its default: "run_at" (at once), "expires_at"
	// (never), "queue", "priority", "timeout" and "retry" (those of its queue), "labels"
	// (none), or a part such as "retry.max_attempts" or "labels.team".
	Default []string
}

// Change changes a task that has not started, all at once. One that is made due later gives
// up its place at its limits and in its order, and comes to them as a new one when it is
// due; otherwise it keeps them. task.Invalid, store.ErrNotFound; store.ErrUnchangeable says
// how a task stands that cannot be changed, store.ErrKeyHeld that its unique key is held in
// its new queue.
func (t *Tasks) Change(ctx context.Context, id string, c TaskChange) (TaskInfo, error) {
	var bad task.Invalid
	payload, contentType := (&Task{Payload: c.Payload, Body: c.Body}).payload(&bad)
	if err := bad.Err(); err != nil {
		return TaskInfo{}, err
	}
	return shown(t.tasks.Change(ctx, id, &task.Revision{
		Queue: c.Queue, Priority: c.Priority, Delay: c.Delay, RunAt: c.RunAt, ExpiresAt: c.ExpiresAt, Timeout: c.Timeout,
		Retry: c.Retry, Labels: c.Labels, Payload: payload, ContentType: contentType, Default: c.Default,
	}))
}
