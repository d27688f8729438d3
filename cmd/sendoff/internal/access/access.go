// Package access is the commands sendoff api-keys, namespaces and audit: who may come in,
// what they may use, and what was done. They ask a server, or work on its database beside it.
package access

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
)

// where says what is asked: a server, or a database.
type where struct {
	term.Remote
	DB string `name:"db" placeholder:"FILE|URL" help:"Work on this database, a SQLite file or a postgres:// URL, in place of asking a server. Servers may run on it."`
}

// keys does what is done with keys.
type keys interface {
	Create(ctx context.Context, key sendoff.NewAPIKey) (*sendoff.APIKey, error)
	List(ctx context.Context) ([]sendoff.APIKey, error)
	Revoke(ctx context.Context, id string) error
}

// with calls fn with the keys of the server, or of the database.
func (w *where) with(ctx context.Context, fn func(keys) error) error {
	if w.DB == "" {
		client, err := w.Connect("sendoff-cli")
		if err != nil {
			return err
		}
		return fn(client.APIKeys)
	}
	db, err := host.Administer(ctx, w.DB)
	if err != nil {
		return err
	}
	defer db.Close()
	return fn(stored{db, operate.NewKeys(operate.KeysConfig{Store: db})})
}

// stored are the keys of a database.
type stored struct {
	db   host.Administration
	keys *operate.Keys
}

// Create makes a key.
func (s stored) Create(ctx context.Context, k sendoff.NewAPIKey) (*sendoff.APIKey, error) {
	scopes := make([]string, len(k.Scopes))
	for i, scope := range k.Scopes {
		scopes[i] = string(scope)
	}
	made, err := s.keys.Create(host.Recorded(ctx, "create-api-key", ""), operate.NewKey{Name: k.Name, Scopes: scopes, Namespace: k.Namespace, ExpiresAt: k.ExpiresAt})
	if err != nil {
		return nil, err
	}
	out := view(&made)
	return &out, nil
}

// List lists keys.
func (s stored) List(ctx context.Context) ([]sendoff.APIKey, error) {
	all, err := s.keys.List(ctx)
	out := make([]sendoff.APIKey, len(all))
	for i := range all {
		out[i] = view(&all[i])
	}
	return out, err
}

// Revoke ends a key.
func (s stored) Revoke(ctx context.Context, id string) error {
	return s.keys.Revoke(host.Recorded(ctx, "revoke-api-key", id), id)
}

func view(k *operate.Key) sendoff.APIKey {
	at := func(us int64) (t time.Time) {
		if us != 0 {
			t = time.UnixMicro(us).UTC()
		}
		return t
	}
	out := sendoff.APIKey{
		ID: k.ID, Name: k.Name, Namespace: k.Namespace, Key: k.Text, Prefix: k.Prefix,
		CreatedAt: at(k.CreatedAt), ExpiresAt: at(k.ExpiresAt), LastUsedAt: at(k.LastUsedAt),
	}
	for _, name := range auth.Scope(k.Scopes).Names() {
		out.Scopes = append(out.Scopes, sendoff.Scope(name))
	}
	return out
}

// scopeList is a set of scopes as people read it.
func scopeList(scopes []sendoff.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return cmp.Or(strings.Join(names, ","), "-")
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format(time.DateTime)
}
