package store

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

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

	// ListBy returns up to limit places on a work list in its order, those of the lanes and
	// behind a mark; the zero Mark is before all. ByStart knows no lanes, and holds what has
	// been claimed: a task of it may have ended by now.
	ListBy(ctx context.Context, by Order, lanes []int32, after Mark, limit int) ([]Mark, error)

	// Stats returns the depth of every lane that is not empty.
	Stats(ctx context.Context) ([]LaneStats, error)

	// Snapshot returns everything, in one consistent view. It is for tests and
	// for checks of small databases.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Row is a task as it is stored, without its payload.
type Row struct {
	ID           task.ID
	Lane         int32
	Priority     int16
	Kind         task.Kind
	Flags        int32
	State        task.State
	Reason       task.Reason
	Token        int64
	Run          int32
	Failures     int32
	Crashes      int32
	MaxAttempts  int32
	CreatedAt    int64
	At           int64 // scheduled: when it is due; otherwise when it became ready last
	ExpiresAt    int64
	FirstStarted int64 // of this run
	LastStarted  int64
	FinishedAt   int64
	Node         task.ID // of the last attempt
	LastOutcome  task.Class
	LastCode     int32
	LastError    string
	LastCause    task.Cause
	Group        string
	Parent       task.ID
	Root         task.ID
	Correlation  uint64
	Epoch        int32 // of the parent when it called
	Spec         []byte
	Gates        []byte // see EncodeGates
}

// Query selects tasks for a listing, newest first. Lanes, roots, ids and a single
// state are looked up; everything else is for the caller to filter.
type Query struct {
	Root   task.ID      // of the tree that the tasks were called in; zero = all tasks
	Lanes  []int32      // nil = all
	States []task.State // nil = all
	Before task.ID      // ids below it; zero = no bound
	From   task.ID      // ids from it on
	Limit  int
	Scan   int // rows to look at, at most; 0 = no bound
}

// LaneStats is how much waits in a lane.
type LaneStats struct {
	Lane        int32
	Ready       int64
	Scheduled   int64
	Running     int64
	Suspended   int64
	Blocked     int64
	Failed      int64
	OldestReady int64 // when the first in line became ready, the earliest of all priorities; 0 = none
}

// AddReady counts what waits in one of the lane's lines, and when the first in it
// became ready.
func (l *LaneStats) AddReady(n, first int64) {
	if l.OldestReady == 0 || first < l.OldestReady {
		l.OldestReady = first
	}
	l.Ready += n
}

// Snapshot is the whole content of a store, ordered by key.
type Snapshot struct {
	Tasks    []Row
	Payloads map[task.ID]string
	Ready    []ReadyEntry
	Timers   []TimerEntry
	Claims   []ClaimEntry
	Keys     []KeyEntry
	Attempts map[task.ID][]AttemptRow
	Dead     []TimerEntry
	Nodes    []Node
	Waits    []Wait
	Messages map[task.ID][]Message
	Journals map[task.ID][]task.Segment
	States   map[task.ID]string
	Todos    []Todo // by task, kind and token
	Gates    []GateRow
	Lines    []LineEntry
	Leavers  []Leaver
	Deps     []Dep // by both
	Needs    []Need
}

// ReadyEntry is a row of ready.
type ReadyEntry struct {
	Lane     int32
	Priority int16
	Position int64
	ID       task.ID
}

// TimerEntry is a row of timer, or of dead. A timer is kept for every task that
// is scheduled, suspended or blocked.
type TimerEntry struct {
	Lane int32
	At   int64
	ID   task.ID
}

// ClaimEntry is an open claim.
type ClaimEntry struct {
	ID    task.ID
	Node  task.ID
	At    int64
	Tasks []task.ID
}

// Fit tells how many of n things are given at once: at most limit of them, and
// after the first not beyond maxBytes.
func Fit(n int, size func(i int) int, limit, maxBytes int) int {
	sum := 0
	for i := range n {
		sum += size(i)
		if i == limit || i > 0 && sum > maxBytes {
			return i
		}
	}
	return n
}
