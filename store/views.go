package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Views keeps what nodes tell of the endpoints that they call and of their processes, so
// that each of them can show all of it, what they are asked to do about an endpoint or a
// process, and the hosts that get no pushes.
type Views interface {
	// SetView keeps what a node tells, in place of what it told before. Of a node that is
	// not alive nothing is kept.
	SetView(ctx context.Context, node task.ID, body []byte) error

	// Views lists what the nodes with a live lease have told, oldest node first.
	Views(ctx context.Context) ([]View, error)

	// AskReset asks all nodes for something. r.At is the store's to set.
	AskReset(ctx context.Context, r Reset) error

	// Resets lists what was asked for at a time or later, in microseconds, oldest first;
	// what was asked for more than KeepResets ago may be missing.
	Resets(ctx context.Context, since int64) ([]Reset, error)

	// PauseHost notes that a host gets no pushes, from now on when that is new, or gets
	// them again.
	PauseHost(ctx context.Context, host string, paused bool) error

	// PausedHosts lists the hosts that get no pushes, by name.
	PausedHosts(ctx context.Context) ([]PausedHost, error)
}

// PausedHost is a host that gets no pushes.
type PausedHost struct {
	Host string // with its port when it has one, in small letters
	At   int64  // since when, in microseconds
}

// KeepResets is for how long a Reset is kept, in microseconds. Nodes look for new ones
// with each heartbeat.
const KeepResets int64 = 10 * 60 * 1_000_000

// View is what a node tells, in a form that the store does not know.
type View struct {
	Node task.ID
	Name string // of the node
	At   int64  // when it told that
	Body []byte
}

// Reset asks nodes to forget what went wrong with an endpoint, or for something like it.
type Reset struct {
	ID       task.ID // so that a node does it once
	Endpoint string
	At       int64
	Kind     ResetKind
}

// ResetKind is what a Reset asks for. Nodes of older versions take all for the first: what
// they do not know must be named so that it is no endpoint.
type ResetKind int16

// The kinds. The numbers are stored: never renumber them.
const (
	ResetEndpoint ResetKind = 0 // forget what went wrong with it
	ProbeEndpoint ResetKind = 1 // let the next attempt go at once, and see
	ReplaceWorker ResetKind = 2 // of a node, which Endpoint names
)
