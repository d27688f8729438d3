package doctor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/seal"
	"github.com/sendoff-dev/sendoff/internal/signing"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// signingKeys: keys that cannot be opened sign nothing, and the next start fails.
func signingKeys(ctx context.Context, p *patient) (finding, error) {
	var doc []byte
	err := p.look(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `select doc from sealed where name = '`+store.SigningKeys+`'`).Scan(&doc)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return fine("none are in the database"), nil
	}
	if err != nil {
		return finding{}, err
	}
	d, err := signing.ReadDocument(doc)
	if err != nil {
		return finding{status: Fail, detail: err.Error(), fix: "use the newest version that has served this database, or see sendoff keys reset"}, nil
	}
	if p.secret == "" {
		return skipped("they are sealed, and whether they can be opened nobody knows: name the secret with --secret-file"), nil
	}
	key, err := seal.ReadFile(p.secret)
	if errors.Is(err, fs.ErrNotExist) {
		return finding{
			status: Fail, detail: fmt.Sprintf("%s is not there, under which they are sealed (id %s)", p.secret, d.Under),
			fix: "bring it back, or name it with --secret-file; without it, see sendoff keys reset",
		}, nil
	}
	if err == nil {
		_, err = d.Open(key)
	}
	if err != nil {
		return finding{status: Fail, detail: err.Error(), fix: "name the secret under which they were sealed with --secret-file: the next start of a server fails without it"}, nil
	}
	return p.sealedQueues(ctx, key, d)
}

// sealedQueues looks whether the secrets of queues can be opened.
func (p *patient) sealedQueues(ctx context.Context, key *seal.Key, d *signing.Document) (finding, error) {
	var shut []string
	err := p.each(ctx, `select name, settings from queue where settings is not null and forgotten_at = 0`, func(r *sql.Rows) error {
		var name string
		var settings []byte
		if err := r.Scan(&name, &settings); err != nil {
			return err
		}
		q, err := task.DecodeQueueSettings(settings)
		if err != nil || q.Webhooks == (task.Secrets{}) {
			return nil // settings that cannot be read are another check's
		}
		if _, err := signing.OpenWebhooks(key, q.Webhooks); err != nil {
			shut = append(shut, name)
		}
		return nil
	})
	if err != nil {
		return finding{}, err
	}
	if len(shut) > 0 {
		return finding{
			status: Fail, detail: "the webhook secrets of queues cannot be opened: " + strings.Join(shut, ", "),
			fix: "set them anew: sendoff queues set QUEUE --webhook-secret ...; pushes of these queues fail until then",
		}, nil
	}
	keys := d.List(time.Now())
	if len(keys) == 0 {
		return finding{status: Fail, detail: "there is none", fix: "see sendoff keys reset"}, nil
	}
	return fine("%s signs, made %s; %d are published", keys[0].ID, keys[0].Created.Format(time.DateOnly), len(keys)), nil
}
