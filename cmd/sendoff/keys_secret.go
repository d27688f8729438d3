package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/signing"
)

// keys opens the keys with what is secret of them.
func (p *keyPlace) keys(ctx context.Context) (keys *httpsig.Keys, err error) {
	d, err := p.document(ctx)
	switch {
	case err != nil:
		return nil, err
	case d == nil:
		keys, err = httpsig.ReadKeys(p.settings().KeysPath())
		return keys, p.problem(err)
	}
	err = p.settings().WithSigningKeys(ctx, func(k *signing.Keys) error { keys = k.Current(); return nil })
	return keys, err
}

type keysWebhookCmd struct{ keyPlace }

// Run prints the secret.
func (c *keysWebhookCmd) Run(ctx context.Context, t *term.Terminal) error {
	keys, err := c.keys(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	before, until := keys.WebhookBefore(now)
	if c.JSON {
		out := map[string]any{"secret": keys.WebhookSecret(), "public_key": keys.At(now)[0].Webhook}
		if before != "" {
			out["secret_before"], out["ends_at"] = before, until.UTC().Format(time.RFC3339)
		}
		return t.JSON(out)
	}
	t.Printf("%s\n", keys.WebhookSecret())
	if before != "" {
		t.Printf("%s  signs as well until %s\n", before, until.Local().Format(time.DateTime))
	}
	return nil
}

type keysExportCmd struct {
	keyPlace
	Dest string `arg:"" help:"File to make."`
}

// Help is printed under the flags.
func (keysExportCmd) Help() string {
	return `What is written can sign: it is for its owner alone (mode 0600). Another server takes it over with --keys-file.`
}

// Run writes a file of keys.
func (c *keysExportCmd) Run(ctx context.Context, t *term.Terminal) error {
	err := c.settings().WithSigningKeys(ctx, func(k *signing.Keys) error {
		m, err := k.Material()
		if err != nil {
			return err
		}
		return m.WriteFile(c.Dest)
	})
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there: nothing is replaced, choose another name", c.Dest)
	case err != nil:
		return c.problem(err)
	}
	t.Printf("%s holds the keys now, of mode 0600: a server on another database takes them over with --keys-file %s\n", c.Dest, c.Dest)
	return nil
}

type keysResealCmd struct {
	keyPlace
	Dest string `arg:"" name:"file" help:"File with the new secret; made when it is missing."`
}

// Help is printed under the flags.
func (keysResealCmd) Help() string {
	return `Stop the servers first, and start them with the new secret: one that goes on with the old one cannot open the webhook secrets of
queues any more. Keys and secrets stay what they are, and receivers need nothing. A copy of the database from before is still sealed under the old
secret: when that has leaked, rotate the keys as well (sendoff keys rotate).`
}

// Run seals everything under another secret.
func (c *keysResealCmd) Run(ctx context.Context, t *term.Terminal) error {
	s := c.settings()
	if s.SecretPath() == "" {
		return term.Usage("under which secret are they sealed now? Name its file with --secret-file")
	}
	err := s.ResealSigningKeys(ctx, c.Dest)
	if errors.Is(err, host.ErrNoKeys) {
		return c.problem(err)
	}
	if err != nil {
		return err
	}
	t.Printf("Everything in %s is sealed under the secret of %s now: start its servers with --secret-file %[2]s, or put that file in the place of %s.\n",
		host.Redacted(c.DB), c.Dest, s.SecretPath())
	return nil
}

type keysResetCmd struct {
	DB  string `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE|URL" help:"Database of the server, which is stopped."`
	Yes bool   `help:"Do it: receivers must learn the new keys."`
}

// Run takes the keys out of a database.
func (c *keysResetCmd) Run(ctx context.Context, t *term.Terminal) error {
	if !c.Yes {
		return term.Usage("the next start of a server makes new keys, and receivers refuse what it sends until they know them: repeat it with --yes. " +
			"Where the secret file is still at hand, bring it back instead")
	}
	p := keyPlace{DB: c.DB}
	if err := p.settings().ForgetSigningKeys(ctx); err != nil {
		return p.problem(err)
	}
	t.Printf("The keys are gone from %s. Start the servers again: they make new ones, or take those of a file of keys that is still there, under the secret file that is there or a new one.\n"+
		"Webhook secrets of queues are sealed under the secret that is lost: set them anew (sendoff queues set QUEUE --webhook-secret ...), until then pushes of these queues fail and are tried again.\n", host.Redacted(c.DB))
	return nil
}
