package pace

import "sync"

// Slots are the attempts at a time of a node, shared by hosts: each may have three
// times as many as are free, so that one host gets three quarters, several the same
// each, and there is always room for one more (dynamic thresholds: Choudhury and Hahne,
// IEEE/ACM Transactions on Networking, 1998). nil = there is no bound.
type Slots struct {
	mu    sync.Mutex
	all   int
	taken int
}

// NewSlots returns so many slots.
func NewSlots(n int) *Slots { return &Slots{all: n} }

// free tells whether a host that has so many may have one more.
func (s *Slots) free(has int) bool {
	if s == nil || has == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return has < 3*(s.all-s.taken)
}

func (s *Slots) take(n int) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.taken += n
	s.mu.Unlock()
}
