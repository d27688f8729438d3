package access

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Keys is the grammar of sendoff api-keys.
type Keys struct {
	Create createCmd `cmd:"" help:"Make an API key, and print it this once."`
	List   listCmd   `cmd:"" help:"List the API keys that hold."`
	Revoke revokeCmd `cmd:"" help:"End API keys, on all servers within a second."`
}

type createCmd struct {
	where
	Name      string   `arg:"" help:"What it is for."`
	Scope     []string `required:"" enum:"read,payloads,enqueue,operate,admin" help:"What it may do (${enum}); repeat it for several. admin is everything, the others do not include each other."`
	Namespace string   `placeholder:"NAME" help:"What it sees; made when it is new. Default that of the key that makes it."`
	Expires   string   `placeholder:"TIME|DURATION" help:"When it ends: a time such as 2027-01-31T00:00:00Z, or so long from now, such as 720h. Default never."`
}

// Run makes a key.
func (c *createCmd) Run(ctx context.Context, t *term.Terminal) error {
	k := sendoff.NewAPIKey{Name: c.Name, Namespace: c.Namespace}
	for _, s := range c.Scope {
		k.Scopes = append(k.Scopes, sendoff.Scope(s))
	}
	var err error
	if k.ExpiresAt, err = expires(c.Expires); err != nil {
		return err
	}
	return c.with(ctx, func(keys keys) error {
		before, unseen := keys.List(ctx) // nobody else may be allowed to look afterwards
		made, err := keys.Create(ctx, k)
		if err != nil {
			return err
		}
		if unseen == nil && len(before) == 0 && !slices.Contains(made.Scopes, "admin") {
			fmt.Fprintln(t.Stderr, "This is the first key, so that servers want one from now on, and it is no admin's: make further ones on the database, with --db.")
		}
		if c.JSON {
			return t.JSON(made)
		}
		t.Printf("%s\n\n%s of the namespace %s may: %s. It is shown this once: keep it, clients send it as SENDOFF_API_KEY.\n",
			made.Key, made.ID, term.Clean(made.Namespace), scopeList(made.Scopes))
		return nil
	})
}

// expires reads a time, or a duration from now.
func expires(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return time.Time{}, term.Usage("--expires %q: want a time such as 2027-01-31T00:00:00Z, or a duration such as 720h", text)
	}
	return time.Now().Add(d).UTC().Truncate(time.Second), nil
}

type listCmd struct{ where }

// Run lists keys.
func (c *listCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.with(ctx, func(keys keys) error {
		all, err := keys.List(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return t.JSON(term.ListOf(all))
		}
		rows := make([][]string, len(all))
		for i, k := range all {
			rows[i] = []string{
				k.ID, term.Clean(k.Name), term.Clean(k.Namespace), scopeList(k.Scopes), term.Clean(k.Prefix) + "...",
				timeText(k.CreatedAt), timeText(k.ExpiresAt), timeText(k.LastUsedAt),
			}
		}
		t.Table([]string{"ID", "NAME", "NAMESPACE", "SCOPES", "KEY", "CREATED", "EXPIRES", "LAST USED"}, rows)
		return nil
	})
}

type revokeCmd struct {
	where
	IDs []string `arg:"" name:"id" help:"Ids of keys, as api-keys list has them."`
}

// revoked is what --json prints of a key.
type revoked struct {
	ID string `json:"id"`
}

// Run ends keys, and goes on after one that is not there.
func (c *revokeCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.with(ctx, func(keys keys) error {
		done, err := term.EachOf(c.IDs, func(id string) (revoked, error) { return revoked{id}, keys.Revoke(ctx, id) })
		if c.JSON {
			return cmp.Or(t.JSON(term.ListOf(done)), err)
		}
		for _, r := range done {
			t.Printf("%s  revoked\n", term.Clean(r.ID))
		}
		return err
	})
}
