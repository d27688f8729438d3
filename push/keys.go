package push

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

var errKeysUnavailable = errors.New("keys are not available")

// The life of fetched keys.
const (
	refreshKeys = time.Minute      // a removed key is refused after that
	retryKeys   = 2 * time.Second  // between fetches for an unknown key, or after an error
	staleKeys   = 15 * time.Minute // without an answer of the server
	fetchKeys   = 10 * time.Second
	maxKeySet   = 64 << 10
)

// keyCache holds the keys that a server publishes.
type keyCache struct {
	url    string
	client *http.Client
	now    func() time.Time

	fetching sync.Mutex // held during a fetch; taken before mu

	mu      sync.Mutex
	keys    map[string]ed25519.PublicKey
	good    time.Time // of the last fetch that brought keys
	tried   time.Time // of the last fetch
	lastErr error
}

func newKeyCache(server string, client *http.Client, now func() time.Time) (*keyCache, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("verifier: keys URL: want an http or https URL")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = httpsig.KeysPath
	}
	if client == nil {
		client = &http.Client{}
	}
	return &keyCache{url: u.String(), client: client, now: now}, nil
}

// key waits for a fetch only when it cannot answer without: neither a slow
// server nor strangers with made-up key ids hold up the pushes of a known key.
func (c *keyCache) key(ctx context.Context, id string) (ed25519.PublicKey, error) {
	now := c.now()
	key, due := c.get(id, now)
	switch {
	case due && key == nil:
		c.fetching.Lock()
	case due && c.fetching.TryLock():
	default:
		return c.answer(id, now)
	}
	defer c.fetching.Unlock()
	if _, due = c.get(id, now); due { // nobody was faster
		c.refresh(ctx, now)
	}
	return c.answer(id, now)
}

// get returns the key, nil if there is none, and whether a fetch is due for it.
func (c *keyCache) get(id string, now time.Time) (key ed25519.PublicKey, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key = c.keys[id]
	due = (key == nil || now.Sub(c.good) >= refreshKeys) && now.Sub(c.tried) >= retryKeys
	return key, due
}

func (c *keyCache) answer(id string, now time.Time) (ed25519.PublicKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || now.Sub(c.good) >= staleKeys {
		return nil, fmt.Errorf("%w: %w", errKeysUnavailable, c.lastErr)
	}
	if key, ok := c.keys[id]; ok {
		return key, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownKey, id)
}

// refresh goes on when the caller hangs up, so that hanging up is no way to have
// it done more often.
func (c *keyCache) refresh(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchKeys)
	defer cancel()
	keys, err := c.fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried = now
	if err != nil {
		c.lastErr = err
		return
	}
	c.keys, c.good = keys, now
}

func (c *keyCache) fetch(ctx context.Context) (map[string]ed25519.PublicKey, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	response, err := c.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch keys: %s", response.Status)
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	if len(b) > maxKeySet {
		return nil, errors.New("fetch keys: the answer is too large")
	}
	return httpsig.ParseJWKS(b)
}
