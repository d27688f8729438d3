package operate

import (
	"context"
	"encoding/base64"
	"errors"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Dependency is a task that another one depends on.
type Dependency struct {
	ID     string // that it goes by; that the server made when it is stored no more
	State  task.State
	Reason task.Reason
	Kind   task.Kind
	Counts task.End          // how it has ended, for the one that depends on it
	Answer *store.AttemptRow // its last attempt that has ended; nil = none has
}

// DependencyPage is a part of the dependencies of a task. Next is empty at the end.
type DependencyPage struct {
	Items []Dependency
	Next  string
}

// Dependencies returns a page of the tasks that a task depends on, with what their last
// attempts brought back: limit at most, 0 = 50, 100 the most. store.ErrNotFound,
// ErrBadCursor.
func (w *Waits) Dependencies(ctx context.Context, id, cursor string, limit int) (DependencyPage, error) {
	var after task.ID
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || cursor != "" && len(b) != len(after) {
		return DependencyPage{}, ErrBadCursor
	}
	copy(after[:], b)
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, maxAttempts)
	tasks := w.cfg.Functions.tasks
	found, err := tasks.Resolve(ctx, id)
	if err != nil {
		return DependencyPage{}, err
	}
	deps, err := w.cfg.Store.Dependencies(ctx, found, after, limit+1)
	if err != nil {
		return DependencyPage{}, err
	}
	var page DependencyPage
	for i, size := 0, 0; i < len(deps); i++ {
		if i == limit || size > maxAttemptBytes {
			page.Next = base64.RawURLEncoding.EncodeToString(deps[i-1].ID[:])
			break
		}
		item, err := w.dependency(ctx, &deps[i])
		if err != nil {
			return DependencyPage{}, err
		}
		if item.Answer != nil {
			size += len(item.Answer.Answer.Body)
		}
		page.Items = append(page.Items, item)
	}
	return page, nil
}

func (w *Waits) dependency(ctx context.Context, d *store.Dependency) (Dependency, error) {
	out := Dependency{ID: d.ID.String(), State: d.State, Reason: d.Reason, Counts: d.Ended}
	tasks := w.cfg.Functions.tasks
	t, err := tasks.get(ctx, d.ID)
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.ID, out.Kind = t.PublicID(), t.Kind
	out.Answer, err = tasks.lastEnded(ctx, &t)
	return out, err
}
