package store

import (
	"context"
	"sync/atomic"
)

// Gauges tells those who watch what happens at gates and what is left to do.
type Gauges interface {
	// GateCounts is what this process has decided at gates since it opened the store, in
	// transactions that were committed.
	GateCounts() GateCounts

	// Backlog counts what is left to do, of all processes.
	Backlog(ctx context.Context) (Backlog, error)
}

// GateEvent is what was decided of a task at a gate.
type GateEvent int

// The values are not stored.
const (
	GateEntered    GateEvent = iota // it has a place, and did not stand in line for it
	GateInLine                      // it stands in line
	GateHandedOver                  // it has a place, for which it has stood in line
	GateThrottled                   // a rate lets it in later
	GateDropped                     // its rule for duplicates drops it
	GateReplaced                    // those who are there are canceled for it
	GateEvents
)

// GateCounts counts tasks by the kind of the gate and what was decided there.
type GateCounts [DuplicateGate + 1][GateEvents]int64

func (c *GateCounts) add(kind GateKind, what GateEvent) { c[kind][what]++ }

// GateTotals are GateCounts of transactions that were committed. Safe for concurrent use.
type GateTotals struct {
	sums [DuplicateGate + 1][GateEvents]atomic.Int64
}

// Add adds what a transaction has decided.
func (t *GateTotals) Add(c *GateCounts) {
	for kind := range c {
		for what, n := range c[kind] {
			if n != 0 {
				t.sums[kind][what].Add(n)
			}
		}
	}
}

// Read returns what was added so far.
func (t *GateTotals) Read() (c GateCounts) {
	for kind := range c {
		for what := range c[kind] {
			c[kind][what] = t.sums[kind][what].Load()
		}
	}
	return c
}

// MaxBacklog is how many of each are counted at most.
const MaxBacklog = 10_000

// Backlog is what is left to do: how many of each, up to MaxBacklog, and in microseconds
// since when the first of them is; 0 where there is none. Of a task that stands in line at
// several gates each place is counted.
type Backlog struct {
	InLine      int64
	Leavers     int64 // attempts that were canceled and have not stopped, and keep their places
	FirstLeaver int64 // 0 also when no task of them is stored any more
	Todos       int64 // rows of all kinds, due or not
	FirstTodo   int64 // when the first came due, or will
}
