package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/signing"
)

type keysCmd struct {
	List    keysListCmd    `cmd:"" default:"withargs" help:"Print the public keys."`
	Create  keysCreateCmd  `cmd:"" help:"Make the file of keys, as the server does when it is missing: to give it to several nodes that have no --secret-file."`
	Rotate  keysRotateCmd  `cmd:"" help:"Make a new key, which signs after a grace; those before go on verifying for a while."`
	Webhook keysWebhookCmd `cmd:"" help:"Print the secret with which receivers verify Standard Webhooks. Whoever has it can sign."`
	Export  keysExportCmd  `cmd:"" help:"Write the keys of a database to a file of keys, for a server on another database."`
	Reseal  keysResealCmd  `cmd:"" help:"Seal the keys and the secrets of queues under another secret: the one before has leaked, or is old."`
	Reset   keysResetCmd   `cmd:"" help:"Take the keys out of a database whose secret file is lost: the next start makes new ones."`
}

// keyPlace is how the keys are found: as serve does.
type keyPlace struct {
	DB         string `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE|URL" help:"Database of the server, which may run."`
	SecretFile string `env:"SENDOFF_SECRET_FILE" placeholder:"FILE" help:"Secret under which the keys are sealed; default the SQLite file with .secret added."`
	KeysFile   string `env:"SENDOFF_KEYS_FILE" placeholder:"FILE" help:"File of keys, where they are not in the database."`
	JSON       bool   `name:"json" help:"Print JSON: the public keys as a JWK set."`
}

func (p *keyPlace) settings() *host.Settings {
	return &host.Settings{DB: host.DB{DSN: p.DB}, Outbound: host.Outbound{SecretFile: p.SecretFile, KeysFile: p.KeysFile}}
}

// document is what the database holds; nil when the keys are in a file.
func (p *keyPlace) document(ctx context.Context) (*signing.Document, error) {
	if p.KeysFile != "" && p.SecretFile == "" {
		return nil, nil
	}
	return p.settings().SigningDocument(ctx)
}

func (p *keyPlace) problem(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, host.ErrNoKeys) {
		return fmt.Errorf("no keys in %s or %s: the server makes them when it starts; name its database with --db, or a file of keys with --keys-file", host.Redacted(p.DB), p.settings().KeysPath())
	}
	return err
}

type keysListCmd struct{ keyPlace }

// Run prints the public keys.
func (c *keysListCmd) Run(ctx context.Context, t *term.Terminal) error {
	d, err := c.document(ctx)
	if err != nil {
		return err
	}
	if d != nil {
		return c.print(t, d.List(time.Now()))
	}
	keys, err := httpsig.ReadKeys(c.settings().KeysPath())
	if err != nil {
		return c.problem(err)
	}
	return c.print(t, keys.At(time.Now()))
}

// print shows the key that signs first.
func (p *keyPlace) print(t *term.Terminal, keys []httpsig.Key) error {
	if p.JSON {
		return t.JSON(json.RawMessage(httpsig.JWKS(keys)))
	}
	for i := range keys {
		k := &keys[i]
		t.Printf("key %s (%s)\nmade %s\nbase64 %s\nwebhook %s\n%s\n", k.ID, keyUse(k), term.Ago(k.Created), encoded(k), k.Webhook, httpsig.PublicPEM(k.Public))
	}
	t.Printf("Published as a JWK set at %s of the server; here with --json.\n", httpsig.KeysPath)
	return nil
}

func keyUse(k *httpsig.Key) string {
	until := ""
	if !k.Ends.IsZero() {
		until = " until " + k.Ends.Local().Format(time.DateTime)
	}
	switch k.State {
	case httpsig.KeySigns:
		return "signs"
	case httpsig.KeyNext:
		return "next: published, signs from " + k.Signs.Local().Format(time.DateTime) + " on"
	}
	return "older: still published" + until + ", so that what was signed with it is accepted"
}

func encoded(k *httpsig.Key) string { return base64.StdEncoding.EncodeToString(k.Public) }

type keysCreateCmd struct{ keyPlace }

// Run makes the file, and never replaces one.
func (c *keysCreateCmd) Run(t *term.Terminal) error {
	path := c.settings().KeysPath()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return cmp.Or(err, fmt.Errorf("%s is there already: sendoff keys rotate makes a new key in it", path))
	}
	keys, err := httpsig.LoadKeys(path)
	if err != nil {
		return err
	}
	return c.print(t, keys.At(time.Now()))
}

type keysRotateCmd struct {
	keyPlace
	Grace         time.Duration `default:"10m" help:"Until the new key signs, while it is published already: receivers read the keys anew meanwhile."`
	Keep          time.Duration `default:"24h" help:"How long the keys before are published from then on."`
	WebhookSecret bool          `help:"Make a new secret for Standard Webhooks as well: it signs at once, and the one before beside it for --keep."`
	URL           string        `name:"url" placeholder:"URL" help:"Ask this server to do it, in place of --db."`
	APIKey        string        `name:"api-key" env:"SENDOFF_API_KEY" placeholder:"KEY" help:"API key for --url, with the scope admin."`
	CA            string        `name:"ca" env:"SENDOFF_CA" placeholder:"FILE" help:"Authorities that vouch for the server, PEM."`
}

// Run makes a new key.
func (c *keysRotateCmd) Run(ctx context.Context, t *term.Terminal) error {
	const most = 365 * 24 * time.Hour
	for name, d := range map[string]time.Duration{"--grace": c.Grace, "--keep": c.Keep} {
		if d < 0 || d > most {
			return term.Usage("%s %s: want 0s to 8760h", name, d)
		}
	}
	if c.URL != "" {
		return c.ask(ctx, t)
	}
	d, err := c.document(ctx)
	switch {
	case err != nil:
		return err
	case d == nil:
		return c.rotateFile(t)
	}
	var before, made httpsig.Key
	err = c.settings().WithSigningKeys(ctx, func(k *signing.Keys) (err error) {
		before = k.List()[0]
		made, err = k.Rotate(host.Recorded(ctx, "rotate-signing-keys", ""), httpsig.Rotation{Grace: c.Grace, Keep: c.Keep, Webhook: c.WebhookSecret})
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return c.print(t, []httpsig.Key{made})
	}
	c.told(t, made.ID, encoded(&before), encoded(&made))
	return nil
}

// ask has a server do it.
func (c *keysRotateCmd) ask(ctx context.Context, t *term.Terminal) error {
	client, err := (&term.Remote{URL: c.URL, APIKey: c.APIKey, CA: c.CA}).Connect("sendoff-cli/" + version)
	if err != nil {
		return err
	}
	before, err := client.SigningKeys.List(ctx)
	if err != nil {
		return err
	}
	made, err := client.SigningKeys.Rotate(ctx, sendoff.Rotation{Grace: &c.Grace, Keep: &c.Keep, Webhook: c.WebhookSecret})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(made)
	}
	c.told(t, made.ID, before[0].PublicKey, made.PublicKey)
	return nil
}

func lasting(d time.Duration) string { return cmp.Or(span(d), "0s") }

// told says what is to be done now.
func (c *keysRotateCmd) told(t *term.Terminal, id, older, newer string) {
	when, before := "in "+lasting(c.Grace), "within "+lasting(c.Grace)
	if c.Grace == 0 {
		when, before = "at once", "now"
	}
	t.Printf(`%s is published, and signs %s on all nodes, without a restart; the keys before it go on verifying for %s after that.

1. Receivers of pushes that read the keys from the server need nothing.
2. Apps with functions in Go: start them again %[6]s with both keys:
   export DISPATCH_VERIFICATION_KEY="%[4]s,%[5]s"
3. Apps with dispatch-py or dispatch-go know one key: start them again when it signs, with the new one.
   Calls in between are not lost, the server asks again:
   export DISPATCH_VERIFICATION_KEY="%[5]s"
`, id, when, lasting(c.Keep), older, newer, before)
	if c.WebhookSecret {
		t.Printf("4. Receivers of Standard Webhooks: give them the secret that sendoff keys webhook prints; the one before signs as well for %s.\n", lasting(c.Keep))
	}
}

// rotateFile rotates the keys of a file.
func (c *keysRotateCmd) rotateFile(t *term.Terminal) error {
	path := c.settings().KeysPath()
	before, err := httpsig.ReadKeys(path)
	if err != nil {
		return c.problem(err)
	}
	if c.WebhookSecret {
		return term.Usage("--webhook-secret needs keys in the database (--secret-file), and they are in %s", path)
	}
	keys, err := httpsig.RotateKeys(path)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.print(t, keys.At(time.Now()))
	}
	older, newer := before.At(time.Now())[0], keys.At(time.Now())[0]
	t.Printf(`%s signs from the next start of the server on. What to do now:

1. Receivers of pushes that read the keys from the server need nothing.
2. Apps with functions in Go: start them again with both keys, then the server:
   export DISPATCH_VERIFICATION_KEY="%s,%s"
3. Apps with dispatch-py or dispatch-go know one key: start them again together with the server, with the new one.
   Calls in between are not lost, the server asks again:
   export DISPATCH_VERIFICATION_KEY="%[3]s"
4. Every node of a shared database needs the same file: copy %s, then start the nodes again one by one.
   With --secret-file they share the keys through the database, and need neither.
`, newer.ID, encoded(&older), encoded(&newer), path)
	return nil
}
