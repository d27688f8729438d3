package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// sinceLimits is the version of the first nodes that keep the limits of queues.
const sinceLimits = 2

// sinceGroups is the version of the first nodes that have groups take turns.
const sinceGroups = 6

// sinceSecrets is the version of the first nodes that sign with the secrets of queues.
const sinceSecrets = 7

// Set replaces the settings of a queue, which is made when it is new. They hold on
// all nodes within a second. task.Invalid, store.ErrTooManyQueues, store.ErrOldNode.
func (qs *Queues) Set(ctx context.Context, name string, settings task.QueueSettings) (Queue, error) {
	if err := qs.check(name, &settings); err != nil {
		return Queue{}, err
	}
	if _, err := qs.cfg.Catalog.Lane(ctx, space(ctx), name, task.AnyPool); err != nil {
		return Queue{}, fmt.Errorf("queue %q: %w", name, err)
	}
	return qs.Update(ctx, name, func(s *task.QueueSettings) error { *s = settings; return nil })
}

// Update changes the settings of a queue. change may be called again, when somebody
// else has changed them in the meantime; its error ends the update. store.ErrNotFound,
// task.Invalid, store.ErrOldNode.
func (qs *Queues) Update(ctx context.Context, name string, change func(*task.QueueSettings) error) (Queue, error) {
	for {
		q, err := qs.queue(ctx, name)
		if err != nil {
			return Queue{}, err
		}
		had, _ := task.DecodeQueueSettings(q.Settings)
		settings, _ := task.DecodeQueueSettings(q.Settings)
		if err := cmp.Or(change(&settings), qs.check(name, &settings)); err != nil {
			return Queue{}, err
		}
		if settings.Webhooks, err = qs.seal(had.Webhooks, settings.Webhooks); err != nil {
			return Queue{}, err
		}
		was := q.Settings
		q.Settings = settings.Encode()
		tellChange(ctx, factsOfQueue(&had), factsOfQueue(&settings))
		err = qs.cfg.Store.SetSettings(ctx, q.ID, was, q.Settings)
		switch {
		case errors.Is(err, store.ErrChanged) && ctx.Err() == nil:
			continue
		case err != nil:
			return Queue{}, fmt.Errorf("queue %q: %w", name, err)
		}
		qs.cfg.Changed()
		return qs.shown(q), qs.cfg.Catalog.Refresh(ctx)
	}
}

func (qs *Queues) seal(had, given task.Secrets) (task.Secrets, error) {
	switch {
	case !given.Given():
		return given, nil
	case qs.cfg.Seal == nil:
		var bad task.Invalid
		bad.Add("webhook_secrets", "cannot be kept: this server signs no pushes")
		return task.Secrets{}, bad.Err()
	}
	return qs.cfg.Seal(had, given)
}

func (qs *Queues) check(name string, settings *task.QueueSettings) error {
	var bad task.Invalid
	bad.CheckQueue("name", name)
	settings.Check(&bad)
	if u, err := url.Parse(settings.Target); err == nil && settings.Target != "" && len(bad) == 0 {
		if err := qs.cfg.CheckURL(u); err != nil {
			bad.Add("target", "%s", err)
		}
	}
	if err := bad.Err(); err != nil || qs.cfg.Least == nil {
		return err
	}
	switch least := qs.cfg.Least(); {
	case settings.Limited() && least < sinceLimits:
		return fmt.Errorf("limits of queues need nodes of version %d, and there is one of version %d: %w", sinceLimits, least, store.ErrOldNode)
	case settings.Webhooks != (task.Secrets{}) && least < sinceSecrets:
		return fmt.Errorf("webhook secrets of queues need nodes of version %d, and there is one of version %d: %w", sinceSecrets, least, store.ErrOldNode)
	case settings.Discipline == task.Fair && least < sinceGroups:
		return fmt.Errorf("the discipline %q needs nodes of version %d, and there is one of version %d: %w", task.Fair, sinceGroups, least, store.ErrOldNode)
	}
	return nil
}
