package store

import (
	"bytes"
	"cmp"
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Failures keeps groups of failures: tasks that failed alike. Nodes gather them in memory
// and add them every few seconds, so that no settle waits for it.
type Failures interface {
	// AddFailures adds to groups, each of which is there once, in one transaction, and
	// deletes the oldest of all namespaces beyond keep. MutedUntil is left as it is. When
	// the answer to a commit was lost, it may be counted twice.
	AddFailures(ctx context.Context, groups []FailureGroup, keep int) error

	// ListFailures lists groups of a namespace behind a mark, the newest first.
	ListFailures(ctx context.Context, namespace int32, after FailureMark, limit int) ([]FailureGroup, error)

	// FindFailure returns a group. ErrNotFound.
	FindFailure(ctx context.Context, namespace int32, print Hash) (FailureGroup, error)

	// MuteFailure sets until when a group is muted, 0 = it is not, and returns it. ErrNotFound.
	MuteFailure(ctx context.Context, namespace int32, print Hash, until int64) (FailureGroup, error)
}

// KeepFailures is how many groups of failures are kept, of all namespaces together.
const KeepFailures = 10_000

// FailureGroup is what failed alike. Times are microseconds.
type FailureGroup struct {
	Namespace       int32
	Print           Hash // of what follows to Text
	Queue           string
	Target          string
	Code            string
	Text            string // the first line of the error, without what differs from task to task
	FirstAt, LastAt int64
	Count           int64
	Sample          task.ID // the task that failed last
	MutedUntil      int64   // 0 = it is not muted
}

// Add adds what happened since to a group.
func (g *FailureGroup) Add(more *FailureGroup) {
	if more.LastAt >= g.LastAt {
		g.LastAt, g.Sample = more.LastAt, more.Sample
	}
	g.FirstAt = min(g.FirstAt, more.FirstAt)
	g.Count += more.Count
}

// FailureMark is the place of a group in a listing. The zero mark is the beginning.
type FailureMark struct {
	At    int64
	Print Hash
}

// CompareFailures puts newer groups first.
func CompareFailures(a, b FailureGroup) int {
	return cmp.Or(cmp.Compare(b.LastAt, a.LastAt), bytes.Compare(b.Print[:], a.Print[:]), cmp.Compare(b.Namespace, a.Namespace))
}
