package engine

import (
	"context"
	"errors"
	"fmt"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// within returns a context in which what a task does belongs to the namespace of the task.
func (e *Engine) within(ctx context.Context, lane int32) context.Context {
	l := e.catalog.ByID(lane)
	if l.Namespace == 0 || l.Namespace == store.DefaultNamespace {
		return ctx
	}
	n, _ := e.ring.Namespace(l.Namespace)
	return auth.With(ctx, &auth.Principal{Name: "a task", NamespaceID: l.Namespace, Namespace: n.Name, Scopes: auth.Admin, Program: true})
}

// hidden tells whether a task is there and not for whoever asks. Where there is one
// namespace nothing is, and nothing is read.
func (e *Engine) hidden(ctx context.Context, id task.ID) (bool, error) {
	if auth.From(ctx) == nil || !e.ring.Several() {
		return false, nil
	}
	_, err := e.tasks.Get(ctx, id.String())
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// seenJournals are the journals of the tasks that whoever asks may see.
type seenJournals struct{ e *Engine }

// Append implements dispatchapi.Journals. What is hidden is answered as what is not there.
func (j seenJournals) Append(ctx context.Context, checkpoints []store.Checkpoint) ([]error, error) {
	for i := range checkpoints {
		hidden, err := j.e.hidden(ctx, checkpoints[i].ID)
		if err != nil {
			return nil, err
		}
		if hidden {
			checkpoints[i].ID = accept.NewID() // which nobody has
		}
	}
	return j.e.store.Append(ctx, checkpoints)
}

// receiveSeen is Receive for the tasks that whoever asks may see.
func (e *Engine) receiveSeen(ctx context.Context, m *sendoffv1.ReceiveRequest) (*sendoffv1.ReceiveResponse, error) {
	if id, err := task.ParseID(m.GetDispatchId()); err == nil {
		hidden, err := e.hidden(ctx, id)
		if err != nil {
			return nil, err
		}
		if hidden {
			return nil, fmt.Errorf("%w: task %s: %w", task.ErrStale, id, store.ErrLeaseLost) // as of one that is not there
		}
	}
	return e.Receive(ctx, m)
}
