// Package access keeps the API keys in memory: who a key is, and whether one is needed at
// all. It knows neither requests nor what a key is asked for.
package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
)

// ErrUnknown says that nobody has such a key, or not any more.
var ErrUnknown = errors.New("this is no API key of this server")

// Store is what a Ring needs of a database.
type Store interface {
	APIKeys(ctx context.Context) ([]store.APIKey, error)
	Namespaces(ctx context.Context) ([]store.Namespace, error)
	AccessRevision(ctx context.Context) (int64, error)
	UsedAPIKeys(ctx context.Context, used map[string]int64) error
	Now() int64
}

// Config of a Ring. Store is required.
type Config struct {
	Store Store
	Log   *slog.Logger // nil = none
}

// Ring holds the keys that are stored, and the namespaces. Safe for concurrent use.
type Ring struct {
	cfg  Config
	held atomic.Pointer[held]
	look chan struct{} // capacity 1: something has changed

	mu sync.Mutex // of a refresh
}

// hash is that of a key.
type hash = [sha256.Size]byte

// held is what was read last. It never changes, but for when keys were used.
type held struct {
	revision   int64
	closed     bool // there is a key, or was
	keys       map[hash]*entry
	namespaces map[int32]store.Namespace
}

// entry is a key that holds.
type entry struct {
	who     auth.Principal
	expires int64
	used    *usage
}

// usage is when a key was used.
type usage struct {
	last  atomic.Int64
	noted int64 // in the database; of the flush alone
}

const (
	pollEvery = 400 * time.Millisecond // for changes that nobody told us of
	noteEvery = time.Minute            // when keys were used
)

// NewRing returns a ring that holds nothing; call Refresh before use.
func NewRing(cfg Config) *Ring {
	need.Fields(cfg, "Store")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Ring{cfg: cfg, look: make(chan struct{}, 1)}
	r.held.Store(&held{})
	return r
}

// Refresh reads the keys anew, if they have changed.
func (r *Ring) Refresh(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	revision, err := r.cfg.Store.AccessRevision(ctx)
	had := r.held.Load()
	if err != nil || revision == had.revision {
		return err
	}
	keys, err := r.cfg.Store.APIKeys(ctx)
	if err != nil {
		return err
	}
	namespaces, err := r.cfg.Store.Namespaces(ctx)
	if err != nil {
		return err
	}
	now := &held{revision: revision, closed: len(keys) > 0, keys: map[hash]*entry{}, namespaces: map[int32]store.Namespace{}}
	for _, n := range namespaces {
		now.namespaces[n.ID] = n
	}
	for i := range keys {
		if k := &keys[i]; k.RevokedAt == 0 {
			now.keys[hash(k.Hash)] = now.entry(k, had)
		}
	}
	r.held.Store(now)
	return nil
}

func (h *held) entry(k *store.APIKey, had *held) *entry {
	e := &entry{
		who:     auth.Principal{KeyID: k.ID, Name: k.Name, NamespaceID: k.Namespace, Namespace: h.namespaces[k.Namespace].Name, Scopes: auth.Scope(k.Scopes).Keyed()},
		expires: k.ExpiresAt, used: &usage{noted: k.LastUsedAt},
	}
	e.used.last.Store(k.LastUsedAt)
	if before := had.keys[hash(k.Hash)]; before != nil {
		e.used = before.used
	}
	return e
}

// Namespace returns a namespace by its number.
func (r *Ring) Namespace(id int32) (store.Namespace, bool) {
	n, ok := r.held.Load().namespaces[id]
	return n, ok
}

// Several tells whether there is a namespace besides the default one.
func (r *Ring) Several() bool { return len(r.held.Load().namespaces) > 1 }

// Closed tells whether a key is needed: one is stored, or was.
func (r *Ring) Closed() bool { return r.held.Load().closed }

// Look has the keys read anew soon.
func (r *Ring) Look() {
	select {
	case r.look <- struct{}{}:
	default:
	}
}

// Run keeps the copy fresh, and notes when keys were used, until ctx ends.
func (r *Ring) Run(ctx context.Context) error {
	noted := time.Now()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			r.note(last)
			return nil
		case <-r.look:
		case <-time.After(pollEvery):
		}
		if err := r.Refresh(ctx); err != nil && ctx.Err() == nil {
			r.cfg.Log.Warn("the API keys cannot be read: those that were read before count", "err", err)
		}
		if time.Since(noted) >= noteEvery {
			r.note(ctx)
			noted = time.Now()
		}
	}
}

// note writes down when keys were used since the last time.
func (r *Ring) note(ctx context.Context) {
	used := map[string]int64{}
	entries := r.held.Load().keys
	for _, e := range entries {
		if at := e.used.last.Load(); at > e.used.noted {
			used[e.who.KeyID] = at
		}
	}
	if len(used) == 0 {
		return
	}
	if err := r.cfg.Store.UsedAPIKeys(ctx, used); err != nil {
		r.cfg.Log.Warn("when API keys were used could not be written down", "err", err)
		return
	}
	for _, e := range entries {
		if at, ok := used[e.who.KeyID]; ok {
			e.used.noted = at
		}
	}
}

// With returns the ring together with keys that a server was started with, which may do
// everything. closed = a key is needed also where there is none.
func (r *Ring) With(given []string, closed bool) *Keyring {
	k := &Keyring{ring: r, given: map[hash]bool{}, closed: closed || len(given) > 0}
	for _, key := range given {
		k.given[auth.HashKey(key)] = true
	}
	return k
}

// Keyring is a Ring with keys that are not stored. Safe for concurrent use.
type Keyring struct {
	ring   *Ring
	given  map[hash]bool
	closed bool
}

// Authorize tells who has a key, and whoever has none where none is needed. ErrUnknown.
func (k *Keyring) Authorize(key string) (auth.Principal, error) {
	h := k.ring.held.Load()
	if !k.closed && !h.closed {
		return auth.Anybody(), nil
	}
	sum := auth.HashKey(key)
	if k.given[sum] {
		return given(), nil
	}
	e := h.keys[sum]
	if e == nil {
		return auth.Principal{}, ErrUnknown
	}
	now := k.ring.cfg.Store.Now()
	if e.expires != 0 && now >= e.expires {
		return auth.Principal{}, ErrUnknown
	}
	e.used.last.Store(now)
	return e.who, nil
}
