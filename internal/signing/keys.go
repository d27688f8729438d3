package signing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/internal/seal"
	"github.com/sendoff-dev/sendoff/store"
)

// Store is what Keys need of a database.
type Store interface {
	Sealed(ctx context.Context, name string) ([]byte, error)
	SetSealed(ctx context.Context, name string, was, doc []byte) error
}

// Config of Keys. Store is required, and one of the files.
type Config struct {
	Store Store

	// SecretFile is the secret under which the keys in the database are sealed. It is made
	// when it is missing and the database holds no keys. "" = they are in KeysFile.
	SecretFile string

	// KeysFile holds the keys, where there is no SecretFile, and is made when it is missing.
	// With one, what it holds goes into the database, if that has no keys yet.
	KeysFile string

	Asymmetric bool         // they sign Standard Webhooks v1a as well
	Changed    func()       // tells the other nodes; nil = nobody
	Log        *slog.Logger // nil = none
}

// Keys are those in use. They are safe for concurrent use.
type Keys struct {
	cfg    Config
	key    *seal.Key // nil = they are in a file
	look   chan struct{}
	now    atomic.Pointer[httpsig.Keys]
	opened sync.Map // task.Secrets -> []*httpsig.Webhook

	mu  sync.Mutex
	doc []byte // as it was read last
}

// ErrInFile says that the keys are in a file of this node, where no server changes them.
var ErrInFile = httpsig.ErrKeysInFile

// Open reads the keys, and makes what is not there. Errors say what to do.
func Open(ctx context.Context, cfg Config) (*Keys, error) {
	need.Fields(cfg, "Store")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keys{cfg: cfg, look: make(chan struct{}, 1)}
	doc, err := cfg.Store.Sealed(ctx, store.SigningKeys)
	switch {
	case err != nil:
		return nil, err
	case cfg.SecretFile == "" && doc != nil:
		return nil, errors.New("they are in the database, sealed under a secret that the server must have: name its file with --secret-file; a --keys-file alone is for keys that are not in the database")
	case cfg.SecretFile == "":
		keys, err := httpsig.LoadKeys(cfg.KeysFile)
		if err == nil {
			k.use(keys)
		}
		return k, err
	case doc == nil:
		return k, k.first(ctx)
	}
	if k.key, err = seal.ReadFile(cfg.SecretFile); errors.Is(err, fs.ErrNotExist) {
		return nil, lost(doc, cfg.SecretFile)
	}
	if err != nil {
		return nil, err
	}
	return k, k.read(doc)
}

// lost says that keys are sealed under a secret that is not there.
func lost(doc []byte, path string) error {
	under := "?"
	if d, err := ReadDocument(doc); err == nil {
		under = d.Under
	}
	return fmt.Errorf("%s is not there, and the keys in the database are sealed under it (id %s): bring the file back from where it is kept, or from another node, "+
		"name it with --secret-file, or have new keys made with sendoff keys reset, which all receivers must learn then", path, under)
}

// first puts keys into a database that has none.
func (k *Keys) first(ctx context.Context) error {
	made := false
	err := seal.MakeFile(k.cfg.SecretFile)
	if made = err == nil; err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if k.key, err = seal.ReadFile(k.cfg.SecretFile); err != nil {
		return err
	}
	m, err := k.imported()
	if err != nil {
		return err
	}
	doc, err := sealed(k.key, m)
	if err != nil {
		return err
	}
	err = k.cfg.Store.SetSealed(store.WithoutAudit(ctx), store.SigningKeys, nil, doc)
	if errors.Is(err, store.ErrChanged) { // another node was faster
		if doc, err = k.cfg.Store.Sealed(ctx, store.SigningKeys); err != nil {
			return err
		}
		if err = k.read(doc); errors.Is(err, ErrOtherSecret) && made {
			err = errors.Join(err, os.Remove(k.cfg.SecretFile)) // of no use to anybody
		}
		return err
	}
	if err != nil {
		return err
	}
	return k.read(doc)
}

// imported are the keys of the file that there were before, or new ones.
func (k *Keys) imported() (*httpsig.Material, error) {
	if k.cfg.KeysFile == "" {
		return httpsig.NewMaterial(time.Now()), nil
	}
	m, err := httpsig.ReadMaterial(k.cfg.KeysFile)
	if errors.Is(err, fs.ErrNotExist) {
		return httpsig.NewMaterial(time.Now()), nil
	}
	if err == nil {
		_, err = m.Load("key file " + k.cfg.KeysFile)
	}
	if err != nil {
		return nil, err
	}
	k.cfg.Log.Info("the signing keys of a file are in the database now, sealed: the file is not read again", "file", k.cfg.KeysFile, "secret_file", k.cfg.SecretFile)
	return m, nil
}

// read takes over a document.
func (k *Keys) read(doc []byte) error {
	d, err := ReadDocument(doc)
	if err != nil {
		return err
	}
	m, err := d.Open(k.key)
	if err != nil {
		return fmt.Errorf("%s: %w", k.cfg.SecretFile, err)
	}
	keys, err := m.Load("the document of signing keys")
	if err != nil {
		return err
	}
	k.doc = doc
	k.use(keys)
	return nil
}

func (k *Keys) use(keys *httpsig.Keys) {
	if k.cfg.Asymmetric {
		keys = keys.WithAsymmetric()
	}
	k.now.Store(keys)
}

// Current are the keys as they were read last.
func (k *Keys) Current() *httpsig.Keys { return k.now.Load() }

// Sign signs a push.
func (k *Keys) Sign(p *httpsig.Push, now time.Time) httpsig.Signed { return k.Current().Sign(p, now) }

// SignBase signs a run of a function.
func (k *Keys) SignBase(base []byte) []byte { return k.Current().SignBase(base) }

// pollEvery is how often the database is asked for a change that nobody told us of.
const pollEvery = 2 * time.Second

// Look has the keys read anew soon.
func (k *Keys) Look() {
	select {
	case k.look <- struct{}{}:
	default:
	}
}

// Run follows changes until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	if k.key == nil {
		<-ctx.Done()
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.look:
		case <-time.After(pollEvery + rand.N(200*time.Millisecond)):
		}
		if err := k.Refresh(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Log.Warn("the signing keys cannot be read: those that were read before sign", "err", err)
		}
	}
}

// Refresh reads the keys anew, if they have changed.
func (k *Keys) Refresh(ctx context.Context) error {
	if k.key == nil {
		return nil
	}
	doc, err := k.cfg.Store.Sealed(ctx, store.SigningKeys)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case bytes.Equal(doc, k.doc):
		return nil
	case doc == nil:
		return errors.New("they are gone from the database: start the server again to have new ones made")
	}
	return k.read(doc)
}

// Shared tells whether all nodes have the same keys, from the database.
func (k *Keys) Shared() bool { return k.key != nil }

// Material is what the keys are made from, of the database. It is secret. ErrInFile.
func (k *Keys) Material() (*httpsig.Material, error) {
	if k.key == nil {
		return nil, ErrInFile
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.material()
}

func (k *Keys) material() (*httpsig.Material, error) {
	d, err := ReadDocument(k.doc)
	if err != nil {
		return nil, err
	}
	return d.Open(k.key)
}

// List are the keys that are published, the one that signs first.
func (k *Keys) List() []httpsig.Key { return k.Current().At(time.Now()) }

// Rotate makes a new key, and returns it.
// ErrInFile, httpsig.ErrTooManyKeys.
func (k *Keys) Rotate(ctx context.Context, r httpsig.Rotation) (made httpsig.Key, err error) {
	if k.key == nil {
		return made, ErrInFile
	}
	for {
		if err := k.Refresh(ctx); err != nil {
			return made, err
		}
		id, err := k.rotate(ctx, r)
		if errors.Is(err, store.ErrChanged) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return made, err
		}
		if k.cfg.Changed != nil {
			k.cfg.Changed()
		}
		all := k.List()
		return all[max(slices.IndexFunc(all, func(o httpsig.Key) bool { return o.ID == id }), 0)], nil
	}
}

func (k *Keys) rotate(ctx context.Context, r httpsig.Rotation) (id string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, err := k.material()
	if err != nil {
		return "", err
	}
	if err := m.Rotate(time.Now(), r); err != nil {
		return "", err
	}
	doc, err := sealed(k.key, m)
	if err != nil {
		return "", err
	}
	if err := k.cfg.Store.SetSealed(ctx, store.SigningKeys, k.doc, doc); err != nil {
		return "", err
	}
	return m.Keys[0].ID, k.read(doc)
}
