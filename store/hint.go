package store

import "github.com/sendoff-dev/sendoff/task"

// Hint tells other nodes what changed. A node takes of it what it knows: names and
// bits of newer nodes mean nothing to it.
type Hint struct {
	From     task.ID `json:"f"` // the node that tells it
	Woken    []Woken `json:"w,omitempty"`
	Canceled []Held  `json:"c,omitempty"` // attempts to stop; Token 0 = whatever runs
	Changed  Changed `json:"x,omitempty"`
}

// Changed is a set of the things that nodes keep copies of, or look after together.
type Changed uint64

// Nodes of several versions talk to each other: never renumber them.
const (
	ChangedCatalog   Changed = 1 << 0  // queues or lanes
	ChangedLimits    Changed = 1 << 1  // reserved
	ChangedKeys      Changed = 1 << 2  // who may come in
	ChangedSchedules Changed = 1 << 3  // reserved
	ChangedPools     Changed = 1 << 4  // reserved: what nodes serve
	ChangedTodos     Changed = 1 << 5  // there is something left to do, and the node that tells it does not do it
	ChangedEndpoints Changed = 1 << 6  // all nodes are asked to begin anew with one, or pushes to some are paused or resumed
	ChangedEvents    Changed = 1 << 8  // somebody listens to events at the node that tells it
	ChangedShares    Changed = 1 << 7  // of the limits of queues: some may be given back, or taken
	ChangedOrders    Changed = 1 << 9  // a node was told something, which it reads with its heartbeat
	ChangedSigning   Changed = 1 << 10 // the keys that sign
)

// Has tells whether c holds one of the things in of.
func (c Changed) Has(of Changed) bool { return c&of != 0 }
