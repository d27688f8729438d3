package sendoff

import (
	"context"
	"iter"
	"net/url"
)

// Dependency is a task that another one depends on.
type Dependency struct {
	ID       string   `json:"id"`
	State    State    `json:"state,omitempty"` // "" = it is stored no more
	Reason   string   `json:"reason,omitempty"`
	CountsAs string   `json:"counts_as,omitempty"` // ok, failed or skipped, for the one that depends on it; "" = it has not ended
	Attempt  *Attempt `json:"attempt,omitempty"`   // its last attempt that has ended, with what came back; nil = none has
}

// Dependencies goes through the tasks that a task depends on, with what came of them, and
// fetches page by page. The first error ends it.
func (t Tasks) Dependencies(ctx context.Context, id string) iter.Seq2[*Dependency, error] {
	return pages[*Dependency](ctx, t.c, taskPath(id, "/dependencies"), url.Values{}, 0)
}

// RetryFollowers is Retry, and those that were canceled because the task did not succeed
// wait for it again.
func (t Tasks) RetryFollowers(ctx context.Context, id string) (*Task, error) {
	return t.act(ctx, id, "retry?followers=true", false)
}

// RunBeyond is Run for a task that waits for room under a limit, for its order or for
// duplicates: it counts beyond them.
func (t Tasks) RunBeyond(ctx context.Context, id string) (*Task, error) {
	return t.act(ctx, id, "run?ignore_limits=true", false)
}
