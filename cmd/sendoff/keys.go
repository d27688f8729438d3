package main

import (
	"cmp"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

type keysCmd struct {
	List   keysListCmd   `cmd:"" default:"withargs" help:"Print the public keys."`
	Create keysCreateCmd `cmd:"" help:"Make the file of keys, as the server does when it is missing: to give it to several nodes."`
	Rotate keysRotateCmd `cmd:"" help:"Make a new key, to sign with from the next start on."`
}

// keyFile is how the file of keys is found: as serve does.
type keyFile struct {
	DB       string `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE|URL" help:"Database of the server, to find its keys."`
	KeysFile string `env:"SENDOFF_KEYS_FILE" placeholder:"FILE" help:"Keys; default the SQLite file with .keys added, or ./sendoff.keys."`
	JSON     bool   `name:"json" help:"Print the public keys as a JWK set."`
}

func (f *keyFile) path() string {
	return (&host.Settings{DB: host.DB{DSN: f.DB}, Outbound: host.Outbound{KeysFile: f.KeysFile}}).KeysPath()
}

func (f *keyFile) problem(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no keys in %s: the server makes them when it starts; name its database with --db, or the file with --keys-file", f.path())
	}
	return err
}

type keysListCmd struct{ keyFile }

// Run prints the public keys.
func (c *keysListCmd) Run(t *term.Terminal) error {
	keys, err := httpsig.ReadKeys(c.path())
	if err != nil {
		return c.problem(err)
	}
	return c.print(t, keys)
}

// print shows the key that signs first.
func (f *keyFile) print(t *term.Terminal, keys *httpsig.Keys) error {
	if f.JSON {
		return t.JSON(json.RawMessage(keys.PublicJWKS()))
	}
	public := keys.Public()
	ids := slices.Sorted(maps.Keys(public))
	ids = append([]string{keys.ID()}, slices.DeleteFunc(ids, func(id string) bool { return id == keys.ID() })...)
	for i, id := range ids {
		use := "older: still published, so that what was signed with it is accepted"
		if i == 0 {
			use = "signs"
		}
		t.Printf("key %s (%s)\nbase64 %s\n%s\n", id, use, encoded(public[id]), publicPEM(public[id]))
	}
	t.Printf("Published as a JWK set at %s of the server; here with --json.\n", httpsig.KeysPath)
	return nil
}

func encoded(k ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(k) }

// publicPEM is a key in the form of PKIX.
func publicPEM(key ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err.Error() // an Ed25519 key can always be written
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

type keysCreateCmd struct{ keyFile }

// Run makes the file, and never replaces one.
func (c *keysCreateCmd) Run(t *term.Terminal) error {
	if _, err := os.Stat(c.path()); !errors.Is(err, fs.ErrNotExist) {
		return cmp.Or(err, fmt.Errorf("%s is there already: sendoff keys rotate makes a new key in it", c.path()))
	}
	keys, err := httpsig.LoadKeys(c.path())
	if err != nil {
		return err
	}
	return c.print(t, keys)
}

type keysRotateCmd struct{ keyFile }

// Run makes a new key.
func (c *keysRotateCmd) Run(t *term.Terminal) error {
	before, err := httpsig.ReadKeys(c.path())
	if err != nil {
		return c.problem(err)
	}
	keys, err := httpsig.RotateKeys(c.path())
	if err != nil {
		return err
	}
	if c.JSON {
		return c.print(t, keys)
	}
	older, newer := encoded(before.Public()[before.ID()]), encoded(keys.Public()[keys.ID()])
	t.Printf(`%s signs from the next start of the server on. What to do now:

1. Receivers of pushes that read the keys from the server need nothing.
2. Apps with functions in Go: start them again with both keys, then the server:
   export DISPATCH_VERIFICATION_KEY="%s,%s"
3. Apps with dispatch-py or dispatch-go know one key: start them again together with the server, with the new one.
   Calls in between are not lost, the server asks again:
   export DISPATCH_VERIFICATION_KEY="%s"
4. Every node of a shared database needs the same file: copy %s, then start the nodes again one by one.
`, keys.ID(), older, newer, newer, c.path())
	return nil
}
