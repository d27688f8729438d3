package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Claimer hands tasks to a node.
type Claimer interface {
	// Claim takes ready tasks for a node: for each slot (no two of the same lane
	// and priority) in order the ones with
	// the smallest positions from the slot's cursor on, at most the slot's limit
	// and req.Limit in all. Each gets a new token and is running from then on.
	// Tasks of paused queues are left; expired ones end as failed and are not
	// returned, but for functions and tasks with gates, whose end is settled; a node
	// without a live lease gets nothing.
	Claim(ctx context.Context, req ClaimRequest) (ClaimBatch, error)

	// Probe returns the smallest position in [from, to) of a lane's priority.
	Probe(ctx context.Context, lane int32, priority int16, from, to int64) (position int64, found bool, err error)
}

// ClaimSlot asks for tasks of one lane and priority.
type ClaimSlot struct {
	Lane     int32
	Priority int16
	Cursor   int64 // inclusive
	Limit    int
}

// ClaimRequest asks for tasks for a node.
type ClaimRequest struct {
	ID    task.ID // of the claim, new
	Node  task.ID
	Slots []ClaimSlot
	Limit int
	Done  []task.ID // earlier claims whose tasks are all settled

	// Rides, unless it is nil, has the claim wait until it is closed for a settle or an insert to
	// share the transaction of: tasks that become ready by that are claimed by the same commit.
	Rides <-chan struct{}
}

// ClaimBatch is what a claim brought.
type ClaimBatch struct {
	Now     int64 // the database's clock
	Tasks   []Claimed
	Expired int // tasks that ended as expired instead of being claimed
}

// Claimed is a task in the hands of a node.
type Claimed struct {
	ID           task.ID
	Token        int64
	Lane         int32
	Priority     int16
	Position     int64
	Kind         task.Kind
	Flags        int32
	Run          int32
	Failures     int32
	Crashes      int32
	MaxAttempts  int32
	CreatedAt    int64
	ReadyAt      int64 // when it became ready; a position need not be a time
	ExpiresAt    int64
	FirstStarted int64
	StartedAt    int64
	LastCode     int32 // of the attempt before
	Parent       task.ID
	Root         task.ID
	Gates        []byte // see EncodeGates
	Spec         []byte
	Payload      []byte
}
