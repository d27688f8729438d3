package operate

import (
	"context"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// Backlog is what is left to do, of all nodes; see store.Backlog.
type Backlog struct {
	InLine, Leavers, Todos   int64
	OldestLeaver, OldestTodo time.Duration // 0 = none, or none that is due
}

// Backlog counts what is left to do. Callers share one count at a time. After wait it
// returns what was counted last, however old that is; false when nothing was.
func (l *Limits) Backlog(wait time.Duration) (Backlog, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	b, err := l.backlog.get(ctx, 0)
	if err != nil {
		b = l.backlog.latest()
	}
	if b == nil {
		return Backlog{}, false
	}
	return *b, true
}

func (l *Limits) countBacklog(ctx context.Context) (*Backlog, error) {
	b, err := l.cfg.Store.Backlog(ctx)
	if err != nil {
		return nil, err
	}
	return &Backlog{InLine: b.InLine, Leavers: b.Leavers, Todos: b.Todos, OldestLeaver: l.age(b.FirstLeaver), OldestTodo: l.age(b.FirstTodo)}, nil
}

func (l *Limits) age(since int64) time.Duration {
	if since == 0 {
		return 0
	}
	return time.Duration(max(l.cfg.Store.Now()-since, 0)) * time.Microsecond
}

// kindNames are the kinds of gates as those see them who watch.
var kindNames = map[store.GateKind]string{store.LimitGate: "limit", store.OrderGate: "order", store.DuplicateGate: "duplicate"}

var eventNames = map[store.GateEvent]string{
	store.GateEntered: "entered", store.GateInLine: "in_line", store.GateHandedOver: "handed_over", store.GateThrottled: "throttled",
	store.GateDropped: "dropped", store.GateReplaced: "replaced",
}

// Events calls fn with what this process has decided at gates, as often as it did; 0
// included, but for what does not happen at gates of the kind.
func (l *Limits) Events(fn func(kind, event string, n int64)) {
	counts := l.cfg.Store.GateCounts()
	for kind, name := range kindNames {
		for what, event := range eventNames {
			n := counts[kind][what]
			if n != 0 || happens(kind, what) {
				fn(name, event, n)
			}
		}
	}
}

func happens(kind store.GateKind, what store.GateEvent) bool {
	switch what {
	case store.GateThrottled:
		return kind == store.LimitGate
	case store.GateDropped, store.GateReplaced:
		return kind == store.DuplicateGate
	}
	return true
}
