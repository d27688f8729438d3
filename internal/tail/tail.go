// Package tail keeps the end of what is printed. It knows nothing of who prints.
package tail

import "sync"

// Most is how many bytes are kept.
const Most = 16 << 10

// Tail keeps the last of what is written to it. The zero value is empty and ready; its
// methods may be called by any number of goroutines.
type Tail struct {
	mu   sync.Mutex
	kept []byte
	all  int64
}

// Write never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all += int64(len(b))
	if len(b) >= Most {
		t.kept = append(t.kept[:0], b[len(b)-Most:]...)
		return len(b), nil
	}
	if over := len(t.kept) + len(b) - Most; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	t.kept = append(t.kept, b...)
	return len(b), nil
}

// Reset empties it.
func (t *Tail) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept, t.all = nil, 0
}

// Last is what is kept, not a copy, and how many bytes came before it.
func (t *Tail) Last() (kept []byte, before int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kept, t.all - int64(len(t.kept))
}
