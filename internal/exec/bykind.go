package exec

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// ByKind has each task carried out by the executor of its kind, whatever lane it
// was claimed from. It is not changed after its first use.
type ByKind map[task.Kind]Executor

// Execute implements Executor. A task of a kind that is not among them fails and is
// retried: a node that was begun later, or elsewhere, may know it.
func (b ByKind) Execute(ctx context.Context, t *store.Claimed, spec *task.Spec) task.Outcome {
	x, ok := b[t.Kind]
	if !ok {
		return task.Outcome{Class: task.Failure, Error: fmt.Sprintf("this node cannot carry out tasks of kind %s: upgrade it, or run the task where they are known", t.Kind)}
	}
	return x.Execute(ctx, t, spec)
}
