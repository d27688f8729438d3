package signing

import (
	"context"
	"errors"
	"fmt"

	"github.com/sendoff-dev/sendoff/internal/seal"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// ResealStore is what Reseal needs of a database.
type ResealStore interface {
	Store
	Queues(ctx context.Context) ([]store.Queue, error)
	SetSettings(ctx context.Context, queue int32, was, settings []byte) error
}

// Reseal seals everything that is sealed in a database under another secret. It may be
// called again after it has failed. ErrOtherSecret, store.ErrChanged when somebody changes
// the keys at that moment.
func Reseal(ctx context.Context, s ResealStore, from, to *seal.Key) error {
	doc, err := s.Sealed(ctx, store.SigningKeys)
	if err != nil {
		return err
	}
	d, err := ReadDocument(doc)
	if err != nil {
		return err
	}
	m, err := d.Open(from)
	if err != nil {
		return err
	}
	queues, err := s.Queues(ctx)
	if err != nil {
		return err
	}
	for i := range queues {
		if err := resealQueue(ctx, s, &queues[i], from, to); err != nil {
			return fmt.Errorf("queue %q: %w", queues[i].Name, err)
		}
	}
	under, err := sealed(to, m)
	if err != nil {
		return err
	}
	return s.SetSealed(ctx, store.SigningKeys, doc, under) // last, so that a second try still has the way from the first secret
}

func resealQueue(ctx context.Context, s ResealStore, q *store.Queue, from, to *seal.Key) error {
	settings, err := task.DecodeQueueSettings(q.Settings)
	if err != nil || settings.Webhooks == (task.Secrets{}) {
		return nil // what nobody can read is not ours to change
	}
	list := settings.Webhooks.List()
	for i := range list {
		if _, err := to.Open(webhookPurpose, list[i].Sealed); err == nil {
			continue // by the try before
		}
		plain, err := from.Open(webhookPurpose, list[i].Sealed)
		if err != nil {
			return fmt.Errorf("the webhook secret %s cannot be opened: %w", list[i].Name, err)
		}
		list[i].Sealed = to.Seal(webhookPurpose, plain)
	}
	settings.Webhooks = task.NewSecrets(list)
	err = s.SetSettings(store.WithoutAudit(ctx), q.ID, q.Settings, settings.Encode())
	if errors.Is(err, store.ErrNotFound) {
		return nil // it was deleted
	}
	return err
}
