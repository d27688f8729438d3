package httpsig

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Keys are what a server signs pushes with: Ed25519 keys, of which the first
// signs and all are published, and one Standard Webhooks secret. They do not
// change once loaded, and are safe for concurrent use.
type Keys struct {
	id      string
	private ed25519.PrivateKey
	public  []publicKey
	webhook *Webhook
}

type publicKey struct {
	id  string
	key ed25519.PublicKey
}

// keyFile is the JSON of the file.
type keyFile struct {
	Version int       `json:"version"`
	Keys    []fileKey `json:"keys"`
	Webhook string    `json:"webhook_secret"`
}

type fileKey struct {
	ID      string    `json:"kid"`
	Seed    []byte    `json:"ed25519_seed"`
	Created time.Time `json:"created_at"`
}

const (
	keyFileVersion = 1
	maxKeyFile     = 64 << 10
	keptKeys       = 3 // after a rotation: the new one and two old ones
)

// LoadKeys reads the key file, and makes it with new keys when it is not there.
// Two servers that start at once end up with the same keys. A file that others
// than its owner can read or write is refused; one of root's may be readable for its group,
// as secrets in containers are.
func LoadKeys(path string) (*Keys, error) {
	keys, err := ReadKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	file := keyFile{Version: keyFileVersion, Keys: []fileKey{newFileKey()}, Webhook: newSecret()}
	temp, err := file.writeTemp(path)
	if err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	defer os.Remove(temp)
	// A link never replaces a file, so the one who comes second takes the first one's.
	// Where there are no links, a rename has to do.
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := os.Rename(temp, path); err != nil {
			return nil, fmt.Errorf("create key file: %w", err)
		}
	}
	return ReadKeys(path)
}

// ReadKeys reads the key file. The error wraps fs.ErrNotExist when it is not there.
func ReadKeys(path string) (*Keys, error) {
	file, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	return file.keys(path)
}

// RotateKeys adds a new key to the file, to sign from now on. The two keys
// before it stay published, so that pushes under way are still accepted; older
// ones are dropped. A running server signs with it once it has read the file again.
func RotateKeys(path string) (*Keys, error) {
	file, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	file.Keys = append([]fileKey{newFileKey()}, file.Keys...)
	file.Keys = file.Keys[:min(len(file.Keys), keptKeys)]
	temp, err := file.writeTemp(path)
	if err != nil {
		return nil, fmt.Errorf("rotate keys: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return nil, fmt.Errorf("rotate keys: %w", err)
	}
	return file.keys(path)
}

// NewKeys makes keys that live in memory only.
func NewKeys() *Keys {
	file := keyFile{Keys: []fileKey{newFileKey()}, Webhook: newSecret()}
	keys, err := file.keys("")
	if err != nil {
		panic(err) // they were made a line above
	}
	return keys
}

func readKeyFile(path string) (*keyFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if open(info) {
		return nil, fmt.Errorf("key file %s is open to others (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	file := &keyFile{}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("key file %s is too large", path)
	}
	if err := json.Unmarshal(b, file); err != nil {
		// The decoder's own text could quote a part of a secret.
		return nil, fmt.Errorf("key file %s is not valid JSON", path)
	}
	if file.Version != keyFileVersion {
		return nil, fmt.Errorf("key file %s has version %d, want %d", path, file.Version, keyFileVersion)
	}
	return file, nil
}

func (f *keyFile) keys(path string) (*Keys, error) {
	if len(f.Keys) == 0 {
		return nil, fmt.Errorf("key file %s has no key", path)
	}
	k := &Keys{}
	for i, entry := range f.Keys {
		if len(entry.Seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("key file %s: key %d: want a seed of %d bytes", path, i+1, ed25519.SeedSize)
		}
		private := ed25519.NewKeyFromSeed(entry.Seed)
		public := private.Public().(ed25519.PublicKey)
		id := KeyID(public)
		if entry.ID != id {
			return nil, fmt.Errorf("key file %s: key %d: kid does not belong to the seed", path, i+1)
		}
		if i == 0 {
			k.id, k.private = id, private
		}
		k.public = append(k.public, publicKey{id, public})
	}
	var err error
	if k.webhook, err = NewWebhook(f.Webhook); err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

// writeTemp writes the file, synced, under another name in the same directory.
func (f *keyFile) writeTemp(path string) (name string, err error) {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return "", err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = temp.Write(append(b, '\n'))
	if err == nil {
		err = temp.Sync()
	}
	if err2 := temp.Close(); err == nil {
		err = err2
	}
	if err != nil {
		os.Remove(temp.Name())
		return "", err
	}
	return temp.Name(), nil
}

func newFileKey() fileKey {
	public, private, _ := ed25519.GenerateKey(rand.Reader) // never fails
	return fileKey{ID: KeyID(public), Seed: private.Seed(), Created: time.Now().UTC().Truncate(time.Second)}
}

func newSecret() string {
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(secret[:])
}

// KeyID is the id of a public key: its JWK thumbprint with SHA-256 (RFC 7638,
// RFC 8037), in base64url.
func KeyID(key ed25519.PublicKey) string {
	x := base64.RawURLEncoding.EncodeToString(key)
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ID is the id of the key that signs.
func (k *Keys) ID() string { return k.id }

// WebhookSecret is the secret that receivers need for Standard Webhooks. It is
// no public key: whoever has it can sign.
func (k *Keys) WebhookSecret() string { return k.webhook.secret }

// Public returns the published keys by their ids.
func (k *Keys) Public() map[string]ed25519.PublicKey {
	set := make(map[string]ed25519.PublicKey, len(k.public))
	for _, p := range k.public {
		set[p.id] = p.key
	}
	return set
}
