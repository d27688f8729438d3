package httpsig

import (
	"crypto/sha256"
	"sync"
)

// DefaultNonces is the size of a replay cache when none is given: 218 pushes a
// second over the five minutes that a signature is accepted, in about 4 MB.
const DefaultNonces = 1 << 16

// Nonces remembers the newest nonces that were spent, a fixed number of them: the
// oldest is forgotten first. Only pushes with a good signature spend one, so a
// stranger cannot flush it. A receiver that takes more pushes within the
// tolerance than it holds needs a larger one. It is safe for concurrent use.
type Nonces struct {
	mu   sync.Mutex
	seen map[[16]byte]struct{}
	ring [][16]byte // in the order they were spent
	next int        // of the ring, the oldest once it is full
	size int
}

// NewNonces returns a cache for that many nonces; 0 = [DefaultNonces].
func NewNonces(size int) *Nonces {
	if size <= 0 {
		size = DefaultNonces
	}
	return &Nonces{seen: map[[16]byte]struct{}{}, size: size}
}

// Spend tells whether the nonce is new, and remembers it.
func (n *Nonces) Spend(nonce string) bool {
	sum := sha256.Sum256([]byte(nonce))
	key := [16]byte(sum[:16])
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.seen[key]; ok {
		return false
	}
	n.seen[key] = struct{}{}
	if len(n.ring) < n.size {
		n.ring = append(n.ring, key)
		return true
	}
	delete(n.seen, n.ring[n.next])
	n.ring[n.next] = key
	n.next = (n.next + 1) % n.size
	return true
}
