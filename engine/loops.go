package engine

import (
	"time"

	"github.com/sendoff-dev/sendoff/internal/claim"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// loops are those of this node: together they hold its attempts and its claims.
type loops []*claim.Loop

func (ls loops) wake(woken []store.Woken) {
	for _, l := range ls {
		l.Wake(woken)
	}
}

func (ls loops) expect(lane int32, priority int16) (over func()) {
	for _, l := range ls {
		if over = l.Expect(lane, priority); over != nil {
			return over
		}
	}
	return func() {}
}

func (ls loops) stop(h store.Held) {
	for _, l := range ls {
		l.Stop(h, exec.ErrCanceled)
	}
}

func (ls loops) drop() {
	for _, l := range ls {
		l.Drop(exec.ErrLeaseLost)
	}
}

func (ls loops) held(age time.Duration) (held []store.Held) {
	for _, l := range ls {
		held = append(held, l.Held(age)...)
	}
	return held
}

func (ls loops) claims() (ids []task.ID) {
	for _, l := range ls {
		ids = append(ids, l.Claims()...)
	}
	return ids
}

func (ls loops) inFlight() (n int) {
	for _, l := range ls {
		n += l.InFlight()
	}
	return n
}

// work is what this node holds, as node and schedule see it.
type work struct{ e *Engine }

func (w work) Pools() []string                     { return w.e.pools() }
func (w work) Held(age time.Duration) []store.Held { return w.e.loops.held(age) }
func (w work) Stop(h store.Held)                   { w.e.loops.stop(h) }
func (w work) Lost()                               { w.e.quotas.Lost(); w.e.loops.drop() }
func (w work) Known() []task.ID                    { return append(w.e.loops.claims(), w.e.acks.Claims()...) }

func (w work) Self() task.ID {
	id, _ := w.e.member.ID()
	return id
}
