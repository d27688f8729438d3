package store

import "context"

// Tx is a transaction of the program that embeds the engine, in the database of a
// store: what is inserted in it is there when it commits, and not otherwise. It is for
// one goroutine.
type Tx interface {
	Inserter

	// Tell says that tasks became ready, when the transaction has committed and not
	// before: by a call of wake, or by a hint to all nodes.
	Tell(ctx context.Context, woken []Woken, wake func([]Woken)) error
}

// LaneMaker is implemented by transactions beside which nothing else can be written:
// a lane that is needed in one is made in it, and is gone when it does not commit.
type LaneMaker interface {
	// EnsureLane is that of Catalog.
	EnsureLane(ctx context.Context, namespace int32, queue, pool string, maxQueues int) (Lane, error)
}
