package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Store is everything a database does for Sendoff. All methods are safe for
// concurrent use. A method that fails with an error of the connection may be
// called again with the same arguments: what was done is not done twice.
type Store interface {
	Catalog
	Inserter
	Claimer
	Settler
	Sweeper
	Members
	Reader
	Operator
	Functions

	// Ping writes nothing and tells whether the database answers.
	Ping(ctx context.Context) error

	// Now is the database's clock as this process knows it, microseconds UTC.
	Now() int64

	// Close waits for calls under way and releases the database.
	Close() error
}

// Catalog keeps the names of queues and lanes.
type Catalog interface {
	// EnsureLane returns the lane of (namespace, queue, pool) and makes queue and
	// lane when they are new. It fails with ErrTooManyQueues beyond maxQueues
	// queues in the namespace.
	EnsureLane(ctx context.Context, namespace int32, queue, pool string, maxQueues int) (Lane, error)

	// Lanes lists all lanes.
	Lanes(ctx context.Context) ([]Lane, error)

	// Forget takes a queue off the list of queues; its name is free again, and
	// EnsureLane makes a queue of it anew. Its lanes are listed as forgotten while
	// they hold tasks, and for ForgetAfter: nodes that did not hear of it yet may
	// put tasks into them, which are claimed as any other. ErrNotFound, and
	// ErrQueueNotEmpty while it has tasks that have not ended.
	Forget(ctx context.Context, queue int32) error

	// Queues lists the queues that are not forgotten, by name.
	Queues(ctx context.Context) ([]Queue, error)

	// SetPaused pauses or resumes a queue. Nothing is claimed from a paused
	// queue from the moment this returns; attempts under way go on. Resuming
	// returns the lanes to wake. ErrNotFound when there is no such queue.
	SetPaused(ctx context.Context, queue int32, paused bool) ([]Woken, error)
}

// Inserter stores new tasks.
type Inserter interface {
	// Insert stores tasks and their keys and says of each what became of it,
	// in order. Ids must be new; the same call repeated after an unknown
	// outcome stores nothing twice. When atomic is set and one task is refused
	// by a key (Conflict or Mismatch), none is stored and the others are
	// Skipped. A task that brings signals (Tell) is the only one of its call.
	Insert(ctx context.Context, tasks []NewTask, atomic bool) ([]Inserted, []Woken, error)
}

// Claimer hands tasks to a node.
type Claimer interface {
	// Claim takes ready tasks for a node: for each slot (no two of the same lane
	// and priority) in order the ones with
	// the smallest positions from the slot's cursor on, at most the slot's limit
	// and req.Limit in all. Each gets a new token and is running from then on.
	// Tasks of paused queues are left; expired ones end as failed and are not
	// returned, but for functions, whose end is for the executor to word; a node
	// without a live lease gets nothing.
	Claim(ctx context.Context, req ClaimRequest) (ClaimBatch, error)

	// Probe returns the smallest position in [from, to) of a lane's priority.
	Probe(ctx context.Context, lane int32, priority int16, from, to int64) (position int64, found bool, err error)
}

// Settler ends attempts.
type Settler interface {
	// Settle applies transitions, each fenced by its token, and returns one
	// error per transition: nil, or ErrLeaseLost. It is idempotent: a transition
	// that was already applied by the same token with the same outcome is nil.
	Settle(ctx context.Context, transitions []Transition) ([]error, []Woken, error)
}

// Sweeper does what time does.
type Sweeper interface {
	// PromoteDue makes up to limit due tasks ready. next is when the next one
	// is due, 0 when nothing waits; when it is not after Now, more are due.
	PromoteDue(ctx context.Context, limit int) (promoted int, next int64, woken []Woken, err error)

	// Rescue takes back the tasks of up to limit claims that nobody looks
	// after: those of nodes without a live lease, and those of node self that
	// are not among known, the claims it holds. Claims of self that were made
	// less than a second ago are left alone. Lost nodes are removed.
	Rescue(ctx context.Context, self task.ID, known []task.ID, limit int) (Rescued, error)

	// Retain deletes ended tasks that are older than the retention of their
	// state, looking at up to limit tasks from cursor on, in id order. The
	// next call continues at the cursor returned; the zero ID means that the
	// end was reached. Keys that ran out are deleted as well.
	Retain(ctx context.Context, r Retention, cursor task.ID, limit int) (next task.ID, deleted int, err error)
}

// Members keeps who is alive.
type Members interface {
	// Register adds a node with a lease of ttl microseconds.
	Register(ctx context.Context, n Node, ttl int64) error

	// Heartbeat extends the lease of a node to ttl microseconds from now.
	// ErrNodeLost when it has run out: it cannot be revived.
	Heartbeat(ctx context.Context, id task.ID, ttl int64, draining bool) error

	// Leave removes a node; its claims are rescued at once.
	Leave(ctx context.Context, id task.ID) error

	// Nodes lists the nodes that have a live lease, oldest first.
	Nodes(ctx context.Context) ([]Node, error)

	// Lost returns those of held that are no longer running under their token:
	// canceled, or taken back; and those that are being canceled and have expired.
	Lost(ctx context.Context, held []Held) ([]task.ID, error)
}

// Reader looks things up. It never blocks writers.
type Reader interface {
	// Rows returns the tasks that exist, in no order, without payloads.
	Rows(ctx context.Context, ids []task.ID) ([]Row, error)

	// Payload returns the bytes the task was submitted with. ErrNotFound.
	Payload(ctx context.Context, id task.ID) ([]byte, error)

	// Attempts returns the recorded attempts of a task behind the one with the
	// token after, oldest first: at most limit of them, and after the first not
	// beyond maxBytes of answers. more says that some are left. An attempt that is
	// under way, and a success without an answer, have no record: the task's row
	// tells of them. Of many the first and the last are kept, see [Kept].
	Attempts(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (rows []AttemptRow, more bool, err error)

	// LastAttempt returns the last recorded attempt of a task. ErrNotFound.
	LastAttempt(ctx context.Context, id task.ID) (AttemptRow, error)

	// FindKey returns the task a key belongs to. ErrNotFound.
	FindKey(ctx context.Context, namespace int32, kind KeyKind, hash Hash) (task.ID, error)

	// List returns up to q.Limit tasks, newest first, and where to go on: pass
	// next as q.Before; the zero ID means that the end was reached. A page can
	// be short, even empty, when q.Scan rows were looked at before it was full.
	List(ctx context.Context, q Query) (rows []Row, next task.ID, err error)

	// Stats returns the depth of every lane that is not empty.
	Stats(ctx context.Context) ([]LaneStats, error)

	// Snapshot returns everything, in one consistent view. It is for tests and
	// for checks of small databases.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Operator does what a person asks for, one task at a time.
type Operator interface {
	// Cancel ends a task at once; see Functions.Undo for those that are to undo
	// something first. The attempt of a running one is recorded as
	// canceled, and the token advanced, so that it can settle nothing any more.
	// Canceling a canceled task is nil.
	// ErrNotFound, ErrFinal.
	Cancel(ctx context.Context, id task.ID) ([]Woken, error)

	// Retry starts a new run of an ended task: counters at zero, no expiry. A
	// function begins again from its input. Its parent is not told again. Unique
	// keys are the task's again. ErrNotFound, ErrNotFinal, ErrKeyHeld.
	Retry(ctx context.Context, id task.ID) ([]Woken, error)

	// RunNow makes a task ready that is scheduled, suspended or blocked; nil when
	// it is ready already.
	// ErrNotFound, ErrRunning, ErrFinal.
	RunNow(ctx context.Context, id task.ID) ([]Woken, error)

	// Delete erases a task that is not running, with its attempts, its payload
	// and those of its keys whose time is over. The parent of one that has not
	// ended is told that it was canceled. ErrNotFound, ErrRunning.
	Delete(ctx context.Context, id task.ID) ([]Woken, error)

	// Purge cancels up to limit tasks of the lanes that wait, those in ready
	// before those in timer, and returns how many it were. A parent that the end
	// of one in ready makes ready is left.
	Purge(ctx context.Context, lanes []int32, limit int) (int, []Woken, error)
}

// Functions keeps what durable functions need beside their tasks: state, journal
// and the messages that wait for them.
type Functions interface {
	// Resume returns what the function of a task has to know to go on: its state
	// and its messages behind the one with the number after, oldest first, at most
	// limit of them, and after the first not beyond maxBytes of bodies. A task that
	// never waited has the zero value.
	Resume(ctx context.Context, id task.ID, after int64, limit, maxBytes int) (Resumption, error)

	// Journal returns the segments of a journal in order.
	Journal(ctx context.Context, id task.ID) ([]task.Segment, error)

	// Append adds to the journals of running functions, fenced by their tokens,
	// and returns one error each: nil, ErrLeaseLost, or ErrBadValue when another
	// segment has the offset. The same checkpoint sent again is nil.
	Append(ctx context.Context, checkpoints []Checkpoint) ([]error, error)

	// Signal gives a message to a function that has not ended. ErrNotFound,
	// ErrFinal, and ErrNotFunction for a task of another kind.
	Signal(ctx context.Context, id task.ID, name string, body []byte) ([]Woken, error)

	// Undo begins to cancel a function that has something to undo: it is marked, expires
	// in grace microseconds at the latest, and is due at once unless it is running; the
	// attempt of a running one goes on, and is Lost when the function has expired.
	// ErrNotFound, ErrFinal, ErrNothingToUndo, and ErrCanceling when it was marked
	// before.
	Undo(ctx context.Context, id task.ID, grace int64) ([]Woken, error)

	// Restart begins a function again from its input, whatever its state: a new
	// run and a new epoch, counters at zero. The attempt of a running one can
	// settle nothing any more. One that was being canceled is not any more, and does
	// not expire. ErrNotFound, ErrNotFunction.
	Restart(ctx context.Context, id task.ID) ([]Woken, error)

	// Tree returns the tasks of a tree in the order of their ids, which is about
	// that of their creation, at most limit of them, beginning after an id; root
	// is the id of its first task, which is among them.
	Tree(ctx context.Context, root, after task.ID, limit int) ([]Row, error)
}

// Notifier is implemented by stores that several processes share: it carries
// hints between them. Hints may be lost; polling finds what they missed.
type Notifier interface {
	// Notify sends a hint to the other nodes.
	Notify(ctx context.Context, h Hint) error

	// Listen calls fn for each hint until ctx ends, and reconnects by itself.
	// It returns at once when listening is not possible with this database URL.
	Listen(ctx context.Context, fn func(Hint)) error
}
