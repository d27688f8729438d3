package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/plan"
	"github.com/sendoff-dev/sendoff/internal/schedule"
	"github.com/sendoff-dev/sendoff/internal/server/api"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// planner makes the tasks of schedules.
type planner struct{ e *Engine }

// submission is the task of a schedule. Those of one schedule are duplicates of each other,
// and so are all runs of a graph.
func (p planner) submission(ctx context.Context, of store.ScheduleName, d *plan.Definition, r *plan.Rules) (accept.Submission, error) {
	text, key := []byte(d.Task), accept.NamedKey("schedule:", of.Name)
	if graph, is := d.Graph(); is {
		var err error
		if text, err = p.run(ctx, of.Namespace, graph, d.Task); err != nil {
			return accept.Submission{}, err
		}
		key = api.GraphKey(graph)
	}
	sub, err := api.Planned(text)
	if err != nil {
		return sub, err
	}
	sub.Namespace, sub.Spec.Schedule = of.Namespace, of.Name
	if sub.Spec.OnDuplicate = r.Overlap; r.Overlap != task.Parallel {
		sub.Spec.DuplicateKey = key
	}
	return sub, nil
}

// run is the task that is a run of a stored graph, as it is stored now.
func (p planner) run(ctx context.Context, namespace int32, graph string, asked []byte) ([]byte, error) {
	if p.e.cfg.PlanGraph == nil {
		return nil, fmt.Errorf("%w: %w", schedule.ErrElsewhere, task.Invalid{{Field: "graph", Message: "needs a server that carries out graphs: sendoff serve does, this program does not"}})
	}
	if graph == "" {
		return nil, task.Invalid{{Field: "graph", Message: "is empty: want the name of a stored graph"}}
	}
	if _, err := api.PlannedRun(asked); err != nil {
		return nil, err
	}
	g, err := p.e.store.Graph(ctx, cmp.Or(namespace, store.DefaultNamespace), graph, 0)
	if errors.Is(err, store.ErrNotFound) {
		return nil, operate.GraphFault{Invalid: task.Invalid{{Field: "graph", Message: fmt.Sprintf("is %q: no graph of this name is stored", graph)}}}
	}
	if err != nil {
		return nil, err
	}
	text, err := p.e.cfg.PlanGraph(asked, g.Definition, g.Rev)
	if bad, invalid := errors.AsType[task.Invalid](err); invalid {
		return nil, operate.GraphFault{Invalid: bad}
	}
	return text, err
}

func (p planner) Check(ctx context.Context, of store.ScheduleName, d *plan.Definition, r *plan.Rules) error {
	sub, err := p.submission(ctx, of, d, r)
	if err == nil {
		err = p.e.acceptor.Check(ctx, &sub)
	}
	return inTask(err)
}

func (p planner) Plan(ctx context.Context, of store.ScheduleName, d *plan.Definition, r *plan.Rules) (store.NewTask, error) {
	sub, err := p.submission(ctx, of, d, r)
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
	if _, ofGraph := errors.AsType[operate.GraphFault](err); ofGraph {
		return operate.GraphFault{Invalid: all}
	}
	if errors.Is(err, schedule.ErrElsewhere) {
		return fmt.Errorf("%w: %w", schedule.ErrElsewhere, all)
	}
	return all
}
