package engine

import (
	"context"
	"crypto/ed25519"
	"time"

	"github.com/sendoff-dev/sendoff/internal/exec/push"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/internal/signing"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// wireKeys opens the keys that sign, where some are to.
func (e *Engine) wireKeys() (err error) {
	if e.cfg.KeysFile == "" && e.cfg.SecretFile == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	e.keys, err = signing.Open(ctx, signing.Config{
		Store: e.store, SecretFile: e.cfg.SecretFile, KeysFile: e.cfg.KeysFile, Asymmetric: e.cfg.WebhookV1a, Log: e.cfg.Log,
		Changed: func() { e.member.Tell(store.Hint{Changed: store.ChangedSigning}) },
	})
	return err
}

// VerificationKey is the public key that verifies what is signed now; nil when nothing is.
func (e *Engine) VerificationKey() ed25519.PublicKey {
	if e.keys == nil {
		return nil
	}
	return e.keys.List()[0].Public
}

// signer signs pushes; nil = nobody does.
func (e *Engine) signer() push.Signer {
	if e.keys == nil {
		return nil
	}
	return e.keys
}

// sealer seals the webhook secrets of queues; nil = nothing is signed.
func (e *Engine) sealer() func(had, given task.Secrets) (task.Secrets, error) {
	if e.keys == nil {
		return nil
	}
	return e.keys.SealWebhooks
}

// webhooksOf are the webhook secrets of the queue of a lane; nil = it has none.
func (e *Engine) webhooksOf(lane int32) ([]*httpsig.Webhook, error) {
	of := e.catalog.Webhooks(lane)
	if of == (task.Secrets{}) || e.keys == nil {
		return nil, nil
	}
	return e.keys.Webhooks(of)
}

// signingKeys are the keys that the API shows; nil = nothing is signed.
func (e *Engine) signingKeys() api.SigningKeys {
	if e.keys == nil {
		return nil
	}
	return e.keys
}
