package store

import "context"

// Catalog keeps the names of queues and lanes.
type Catalog interface {
	// EnsureLane returns the lane of (namespace, queue, pool) and makes queue and
	// lane when they are new; that of a group of the queue for a pool by GroupPool. It fails with ErrTooManyQueues beyond maxQueues
	// queues in the namespace.
	EnsureLane(ctx context.Context, namespace int32, queue, pool string, maxQueues int) (Lane, error)

	// Lanes lists all lanes.
	Lanes(ctx context.Context) ([]Lane, error)

	// Forget takes a queue off the list of queues; its name is free again, and
	// EnsureLane makes a queue of it anew. Its lanes are listed as forgotten while
	// they hold tasks, and for ForgetAfter: nodes that did not hear of it yet may
	// put tasks into them, which are claimed as any other. ErrNotFound, and
	// ErrQueueNotEmpty while it has tasks that have not ended. A pause and settings
	// are gone with it.
	Forget(ctx context.Context, queue int32) error

	// Queues lists the queues that are not forgotten, by name.
	Queues(ctx context.Context) ([]Queue, error)

	// SetPaused pauses or resumes a queue. Nothing is claimed from a paused
	// queue from the moment this returns; attempts under way go on. Resuming
	// returns the lanes to wake. ErrNotFound when there is no such queue.
	SetPaused(ctx context.Context, queue int32, paused bool) ([]Woken, error)

	// PauseNamespace pauses or resumes all queues of a namespace at once, those as well that
	// are made later; which of them are paused by themselves stays as it is. Nothing is claimed
	// there from the moment this returns; attempts under way go on. Resuming returns the lanes
	// to wake. ErrNotFound when there is no such namespace.
	PauseNamespace(ctx context.Context, namespace int32, paused bool) ([]Woken, error)

	// PausedNamespaces lists the namespaces that are paused, with since when, in microseconds.
	PausedNamespaces(ctx context.Context) (map[int32]int64, error)

	// SetSettings replaces the settings of a queue, which the store does not read,
	// if they still are what the caller has seen: was, nil for none. ErrChanged when
	// they are not, ErrNotFound when there is no such queue.
	SetSettings(ctx context.Context, queue int32, was, settings []byte) error
}

// DefaultNamespace is the only one until accounts exist.
const DefaultNamespace int32 = 1

// Queue is a named line of tasks.
type Queue struct {
	ID        int32
	Namespace int32
	Name      string
	Paused    bool
	Settings  []byte // see task.QueueSettings; nil = none
	CreatedAt int64
}

// ForgetAfter is for how long the lanes of a forgotten queue stay at least, in
// microseconds: far longer than a node goes without reading them.
const ForgetAfter int64 = 10 * 60 * 1_000_000
