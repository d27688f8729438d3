package operate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// shared is a read of all queues that is too dear to be made for everyone who
// asks. One goes on at a time, whoever asks meanwhile waits for the next one,
// and its answer is used again for a while when it was dear: at most a twentieth
// of the time goes into it.
type shared[T any] struct {
	read func(context.Context) (T, error)

	mu    sync.Mutex
	last  *reading[T] // that has ended; nil = none yet
	under *reading[T] // way; nil = none
}

type reading[T any] struct {
	began time.Time
	took  time.Duration
	value T
	err   error
	done  chan struct{}
}

const (
	cheap      = 50 * time.Millisecond // a read that takes no longer is made anew for everyone
	readBudget = 10 * time.Second      // for one read
	restFactor = 20                    // how long a dear one is used again, in times of what it took
)

// get returns what a read found that began after the call, or up to maxAge
// before it, or that is dear. ctx ends the wait and not the read.
func (s *shared[T]) get(ctx context.Context, maxAge time.Duration) (T, error) {
	oldest := time.Now().Add(-maxAge)
	for {
		r := s.next(oldest)
		select {
		case <-r.done:
		case <-ctx.Done():
			return *new(T), ctx.Err()
		}
		if r.serves(oldest) {
			return r.value, r.err
		}
	}
}

// latest returns what the last good read found, however old.
func (s *shared[T]) latest() T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return *new(T)
	}
	return s.last.value
}

// next returns the read to wait for: the last one when it serves, the one under
// way, or a new one.
func (s *shared[T]) next(oldest time.Time) *reading[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.last != nil && s.last.serves(oldest):
		return s.last
	case s.under == nil:
		s.under = &reading[T]{began: time.Now(), done: make(chan struct{})}
		go s.make(s.under)
	}
	return s.under
}

// serves tells whether a read that has ended is an answer to someone who takes
// nothing older, or was too dear to be made again so soon.
func (r *reading[T]) serves(oldest time.Time) bool {
	return !r.began.Before(oldest) || r.took > cheap && time.Since(r.began) < restFactor*r.took
}

func (s *shared[T]) make(r *reading[T]) {
	ctx, cancel := context.WithTimeout(context.Background(), readBudget)
	defer cancel()
	value, err := s.read(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	r.value, r.err, r.took = value, err, time.Since(r.began)
	if err != nil && s.last != nil {
		r.value = s.last.value
	}
	if err != nil && ctx.Err() != nil {
		r.err = fmt.Errorf("too much waits to be counted within %s: %w", readBudget, errors.Join(context.DeadlineExceeded, err))
	}
	s.last, s.under = r, nil
	close(r.done)
}
