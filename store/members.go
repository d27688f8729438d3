package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Members keeps who is alive.
type Members interface {
	// Register adds a node with a lease of ttl microseconds.
	Register(ctx context.Context, n Node, ttl int64) error

	// Heartbeat extends the lease of a node to ttl microseconds from now, and tells whether
	// the node was told to drain. ErrNodeLost when it has run out: it cannot be revived.
	Heartbeat(ctx context.Context, id task.ID, ttl int64, draining bool) (told bool, err error)

	// Drain tells a node to claim nothing more, for as long as it lives, or takes that back:
	// it hears of it with its next heartbeat. ErrNotFound when it is not alive.
	Drain(ctx context.Context, id task.ID, on bool) error

	// Leave removes a node; its claims are rescued at once.
	Leave(ctx context.Context, id task.ID) error

	// Nodes lists the nodes that have a live lease, oldest first.
	Nodes(ctx context.Context) ([]Node, error)

	// Lost returns those of held that are no longer running under their token:
	// canceled, or taken back; and those that are being canceled and have expired.
	Lost(ctx context.Context, held []Held) ([]task.ID, error)
}

// Node is a running server.
type Node struct {
	ID         task.ID
	Name       string
	Version    int32
	Roles      string
	Pools      string // whose lanes it claims from, one a line
	StartedAt  int64
	LeaseUntil int64
	Draining   bool // it claims nothing more, or was told so
}

// VersionGates is the version of the first nodes that know of gates and dependencies. An
// older one would end a task and let nobody in.
const VersionGates int32 = 2

// VersionCallbacks is the version of the first nodes that know of callbacks. An older one
// would end a task and call nobody back.
const VersionCallbacks int32 = 3

// VersionPause is the version of the first nodes that claim nothing from a namespace that is
// paused.
const VersionPause int32 = 4

// VersionAcks is the version of the first nodes that know of attempts whose app tells how they
// end. An older one would make such a task ready when its time has passed, and run it again after
// it was canceled.
const VersionAcks int32 = 5

// VersionAuditChange is the version of the first nodes whose seals of the audit cover how
// something was before an action and after it.
const VersionAuditChange int32 = 6

// Held is a task that a node believes to be running.
type Held struct {
	ID    task.ID
	Token int64
}
