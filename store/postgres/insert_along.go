package postgres

import (
	"context"
	"errors"
	"slices"
)

// along are claims that ride in the transaction of an insert: what it makes ready is
// claimed by the same commit.
type along struct {
	taken   bool
	claims  []*hotCall
	handled func()
	left    bool // they have not been made, and are to be made otherwise
}

// insertAlong is insertOps, with the claims that ride when it is sent.
func (s *Store) insertAlong(ctx context.Context, ops []*insertOp) {
	a := &along{handled: func() {}}
	s.insertOps(ctx, ops, a)
	if a.left {
		s.hotBatch(ctx, nil, a.claims)
	}
	a.handled()
}

// statements make the claims, after the tasks are stored; c.again tells that they may
// have been made already, and then nothing is claimed.
func (a *along) statements(s *Store, c *session) []*stmt {
	if a == nil || c.again {
		return nil
	}
	if !a.taken {
		a.claims, a.handled = s.settles.Riders()
		a.taken, a.left = true, len(a.claims) > 0
	}
	if !a.left {
		return nil
	}
	t := newTurn(nil, a.claims, s.clock.now())
	return slices.Concat([]*stmt{query(pins)}, statements(t.first(nil)), statements(s.second(t, nil, nil)))
}

// outcome notes what became of a transaction that had the claims, or would have had.
func (a *along) outcome(err error, sent bool) {
	switch {
	case a == nil || !sent:
	case err == nil:
		a.left = false
	case errors.Is(err, errUnknown):
		t := turn{claims: a.claims}
		t.dropClaims()
		a.left = false
	}
}
