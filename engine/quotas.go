package engine

import (
	"time"

	"github.com/sendoff-dev/sendoff/internal/claim"
	"github.com/sendoff-dev/sendoff/internal/quota"
	"github.com/sendoff-dev/sendoff/internal/telemetry"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// wireQuotas keeps what this node starts within its shares of the limits of queues.
func (e *Engine) wireQuotas() {
	e.quotas = quota.New(quota.Config{
		Store: e.store, Room: bounds{e.room}, Log: e.cfg.Log,
		Node:   func() (task.ID, bool) { return e.member.ID() },
		Limits: e.limits,
		Lanes: func() []store.Lane {
			return e.catalog.Lanes(func(l store.Lane) bool { return e.serves(l.Pool) && e.catalog.PausedSince(l.Namespace) == 0 })
		},
		Tell: func() { e.member.Tell(store.Hint{Changed: store.ChangedShares}) },
	})
	e.catalog.Watch(e.quotas.Note)
	e.meters.WatchShares(e.shares)
}

// limits are those of the queues that have any.
func (e *Engine) limits() map[int32]quota.Limits {
	out := map[int32]quota.Limits{}
	for _, q := range e.catalog.Limited() {
		s := e.catalog.Settings(q.Namespace, q.Name)
		out[q.ID] = quota.Limits{Settings: q.Settings, Concurrency: s.Concurrency, Rate: s.Rate, Burst: s.Burst}
	}
	return out
}

// serves tells whether this node carries out tasks of a pool.
func (e *Engine) serves(pool string) bool {
	if e.servesProcess(pool) {
		return true
	}
	return !e.cfg.ProcessesOnly && (pool == task.AnyPool || pool == task.FunctionPool || e.servesLocal(pool))
}

// shares are what this node has of the limits of queues, for those who watch it.
func (e *Engine) shares() (out []telemetry.Share) {
	has := e.quotas.Shares()
	for _, q := range e.catalog.Limited() {
		if q.Namespace != store.DefaultNamespace {
			continue // its name may be that of another queue
		}
		running, _ := e.room.Uses(q.ID)
		out = append(out, telemetry.Share{Queue: q.Name, Slots: int(has[q.ID].Slots), Burst: int(has[q.ID].Burst), Running: running})
	}
	return out
}

// bounds is the room of this node as its quotas see it.
type bounds struct{ *claim.Room }

func (b bounds) Pace(queue int32, every time.Duration, burst int, credit float64) (over float64) {
	return b.Room.Pace(queue, claim.Pace{Every: every, Burst: burst}, credit)
}

func (b bounds) Lately() map[int32]quota.Pressure {
	out := map[int32]quota.Pressure{}
	for queue, l := range b.Room.Lately() {
		out[queue] = quota.Pressure{Peak: l.Peak, Started: l.Started, Slots: l.Pressed&claim.BySlots != 0, Rate: l.Pressed&claim.ByRate != 0}
	}
	return out
}
