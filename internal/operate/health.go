package operate

import (
	"context"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

const (
	healthWithin = 20 * time.Second // of a look at the database
	healthRest   = 5 * time.Second  // at least, until the next look
	healthShare  = 20               // a look takes at most this part of the time
)

// HealthConfig is what Health looks at.
type HealthConfig struct {
	Ready   func(ctx context.Context) error                 // whether this node works
	Examine func(ctx context.Context) (store.Health, error) // looks the database over; nil = nobody does
}

// Health looks over what a node stands on: once for all who ask meanwhile, and not again
// before some time has passed. Safe for concurrent use.
type Health struct {
	cfg  HealthConfig
	mu   sync.Mutex
	last *look // nil = none yet
}

// look is one look at the database. The rest is there when done is closed.
type look struct {
	done  chan struct{}
	found store.Health
	until time.Time // it is good enough
}

// NewHealth returns a Health.
func NewHealth(cfg HealthConfig) *Health { return &Health{cfg: cfg} }

// Look returns what was found of the database, some seconds or a minute ago, after whether
// the node works now. The error is that of ctx.
func (h *Health) Look(ctx context.Context) (store.Health, error) {
	l := h.current()
	select {
	case <-l.done:
	case <-ctx.Done():
		return store.Health{}, ctx.Err()
	}
	found := l.found
	found.Checks = append([]store.Check{h.node(ctx)}, found.Checks...)
	return found, nil
}

// current is the last look, or one that begins.
func (h *Health) current() *look {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil {
		select {
		case <-h.last.done:
			if time.Now().Before(h.last.until) {
				return h.last
			}
		default:
			return h.last
		}
	}
	h.last = &look{done: make(chan struct{})}
	go h.last.begin(h.cfg.Examine)
	return h.last
}

func (l *look) begin(examine func(context.Context) (store.Health, error)) {
	defer close(l.done)
	began := time.Now()
	if examine == nil {
		l.found = store.Health{At: began, Checks: []store.Check{{Name: "database", Status: store.CheckSkip, Detail: "this program does not say how it is looked over"}}}
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), healthWithin)
		defer cancel()
		found, err := examine(ctx)
		if err != nil {
			found.At, found.Checks = began, append(found.Checks, store.Check{
				Name: "database", Status: store.CheckFail, Detail: err.Error(), Fix: "see what the error says, and whether the database answers", Duration: time.Since(began),
			})
		}
		l.found = found
	}
	took := time.Since(began)
	l.until = began.Add(took + max(healthRest, healthShare*took))
}

// node is the check of the node that answers.
func (h *Health) node(ctx context.Context) store.Check {
	began := time.Now()
	c := store.Check{Name: "node", Status: store.CheckOK, Detail: "it has started, holds its lease, and its database answers"}
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := h.cfg.Ready(limited); err != nil {
		c.Status, c.Detail, c.Fix = store.CheckFail, err.Error(), "see the log of the node"
	}
	c.Duration = time.Since(began)
	return c
}
