package engine

import (
	"context"
	"errors"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/plan"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// planner makes the tasks of schedules.
type planner struct{ e *Engine }

// submission is the task of a schedule. Those of one schedule are duplicates of each other.
func (p planner) submission(of store.ScheduleName, d *plan.Definition, r *plan.Rules) (accept.Submission, error) {
	sub, err := api.Planned(d.Task)
	if err != nil {
		return sub, err
	}
	sub.Namespace, sub.Spec.Schedule = of.Namespace, of.Name
	if sub.Spec.OnDuplicate = r.Overlap; r.Overlap != task.Parallel {
		sub.Spec.DuplicateKey = duplicateKey(of.Name)
	}
	return sub, nil
}

// duplicateKey is that of the tasks of a schedule, which may have a name as long as a key.
func duplicateKey(schedule string) string {
	const prefix = "schedule:"
	if len(prefix)+len(schedule) <= task.MaxLimitKey {
		return prefix + schedule
	}
	hash := store.HashOf([]byte(schedule))
	return prefix + task.ID(hash).String()
}

func (p planner) Check(ctx context.Context, of store.ScheduleName, d *plan.Definition, r *plan.Rules) error {
	sub, err := p.submission(of, d, r)
	if err == nil {
		err = p.e.acceptor.Check(ctx, &sub)
	}
	return inTask(err)
}

func (p planner) Plan(ctx context.Context, of store.ScheduleName, d *plan.Definition, r *plan.Rules) (store.NewTask, error) {
	sub, err := p.submission(of, d, r)
	if err != nil {
		return store.NewTask{}, inTask(err)
	}
	t, err := p.e.acceptor.Plan(ctx, &sub)
	return t, inTask(err)
}

func (p planner) Planned(tasks []store.NewTask, inserted []store.Inserted, woken []store.Woken) {
	p.e.acceptor.Planned(tasks, inserted, woken)
}

// inTask says that faults are in the task of a schedule.
func inTask(err error) error {
	bad, ok := errors.AsType[task.Invalid](err)
	if !ok {
		return err
	}
	var all task.Invalid
	for _, f := range bad {
		f.Field = strings.TrimSuffix("task."+f.Field, ".")
		all = append(all, f)
	}
	return all
}
