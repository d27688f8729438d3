package signing

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/seal"
	"github.com/sendoff-dev/sendoff/task"
)

const webhookPurpose = "webhook secret"

// field is what a mistake is told of.
const field = "webhook_secrets"

// SealWebhooks seals webhook secrets that were given for a queue. One that is given by its
// name is taken from those that the queue had. task.Invalid.
func (k *Keys) SealWebhooks(had, given task.Secrets) (task.Secrets, error) {
	var bad task.Invalid
	list := given.List()
	for i, s := range list {
		if s.Given == "" {
			continue
		}
		sealed, err := k.sealWebhook(had, s.Given)
		if err != nil {
			bad.Add(fmt.Sprintf("%s[%d]", field, i), "%s", err)
		}
		if slices.ContainsFunc(list[:i], func(o task.Secret) bool { return err == nil && o.Name == sealed.Name }) {
			bad.Add(fmt.Sprintf("%s[%d]", field, i), "is given twice")
		}
		list[i] = sealed
	}
	if err := bad.Err(); err != nil {
		return task.Secrets{}, err
	}
	return task.NewSecrets(list), nil
}

func (k *Keys) sealWebhook(had task.Secrets, given string) (task.Secret, error) {
	if httpsig.IsWebhookName(given) {
		for _, s := range had.List() {
			if s.Name == given {
				return s, nil
			}
		}
		return task.Secret{}, errors.New("is what is shown of a secret, and the queue has none that is shown like this: want the secret itself, which begins with whsec_ or whsk_")
	}
	w, err := httpsig.NewWebhook(given)
	switch {
	case err != nil:
		return task.Secret{}, err // its text holds nothing of the secret
	case k == nil || k.key == nil:
		return task.Secret{}, errors.New("cannot be kept: the server has no secret to seal it under: start it with --secret-file FILE")
	}
	return task.Secret{Name: w.Name(), Sealed: k.key.Seal(webhookPurpose, []byte(w.Secret()))}, nil
}

// Webhooks opens the webhook secrets of a queue; nil when it has none.
func (k *Keys) Webhooks(of task.Secrets) ([]*httpsig.Webhook, error) {
	if of == (task.Secrets{}) {
		return nil, nil
	}
	if had, ok := k.opened.Load(of); ok {
		return had.([]*httpsig.Webhook), nil
	}
	opened, err := OpenWebhooks(k.key, of)
	if err == nil {
		k.opened.Store(of, opened)
	}
	return opened, err
}

// OpenWebhooks opens the webhook secrets of a queue with a key; nil = there is none.
func OpenWebhooks(key *seal.Key, of task.Secrets) ([]*httpsig.Webhook, error) {
	if key == nil {
		return nil, errors.New("the webhook secrets of the queue are sealed, and this server has no --secret-file")
	}
	var out []*httpsig.Webhook
	for _, s := range of.List() {
		plain, err := key.Open(webhookPurpose, s.Sealed)
		if err != nil {
			return nil, fmt.Errorf("the webhook secret %s of the queue cannot be opened: %w: set it anew", s.Name, err)
		}
		w, err := httpsig.NewWebhook(string(plain))
		if err != nil {
			return nil, fmt.Errorf("the webhook secret %s of the queue: %w", s.Name, err)
		}
		out = append(out, w)
	}
	return out, nil
}
