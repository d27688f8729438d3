package accept

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// MaxDependencies is how many tasks a task may depend on.
const MaxDependencies = store.MaxDeps

// maxNames is how many ids are looked up for a request.
const maxNames = 10_000

// dependencies finds the tasks that those of a request depend on.
type dependencies struct {
	a      *Acceptor
	subs   []Submission
	tasks  []store.NewTask
	of     []int              // of each of tasks: its submission
	within map[string]int     // among tasks, by the id that the client chose
	stored map[string]task.ID // others, by the id that the request has for them
	hidden map[task.ID]bool   // stored, and not for whoever asks
	names  map[task.ID]string // what the request calls the tasks it depends on
}

// depend fills in what tasks depend on and brings them into an order in which they come
// after what they depend on. of is the submission of each. What is not there is found
// out by the store, which knows whether the request is a repeated one.
func (a *Acceptor) depend(ctx context.Context, subs []Submission, tasks []store.NewTask, of []int) (*dependencies, error) {
	if !slices.ContainsFunc(of, func(i int) bool { return len(subs[i].Spec.DependsOn) > 0 }) {
		return nil, nil
	}
	d := &dependencies{a: a, subs: subs, tasks: tasks, of: of, within: map[string]int{}, stored: map[string]task.ID{}, hidden: map[task.ID]bool{}, names: map[task.ID]string{}}
	for n, i := range of {
		id := subs[i].Spec.ClientID
		if _, twice := d.within[id]; id != "" && !twice {
			d.within[id] = n
		}
	}
	if err := d.find(ctx); err != nil {
		return nil, err
	}
	for n, i := range of {
		tasks[n].When = subs[i].Spec.When
		for _, name := range subs[i].Spec.DependsOn {
			id := d.stored[name]
			if other, ok := d.within[name]; ok {
				id = tasks[other].ID
			}
			d.names[id] = name
			tasks[n].Deps = append(tasks[n].Deps, id)
		}
	}
	return d, d.sort()
}

// find looks up the tasks that are not among those of the request.
func (d *dependencies) find(ctx context.Context) error {
	var ids []task.ID
	for _, i := range d.of {
		for _, name := range d.subs[i].Spec.DependsOn {
			if _, ok := d.within[name]; ok {
				continue
			}
			if _, known := d.stored[name]; known {
				continue
			}
			id, err := task.ParseID(name)
			if err == nil {
				ids = append(ids, id)
			}
			d.stored[name] = id
		}
	}
	if len(d.stored) > maxNames {
		var bad task.Invalid
		bad.Add("depends_on", "names %d tasks that are not in the request: at most %d are allowed in all", len(d.stored), maxNames)
		return bad
	}
	there, err := d.there(ctx, ids)
	if err != nil {
		return err
	}
	for name, id := range d.stored {
		if there[id] {
			continue
		}
		found, err := d.a.find(ctx, name)
		switch {
		case err == nil:
			d.stored[name] = found
		case !errors.Is(err, store.ErrNotFound):
			return err
		case id.IsZero(), d.hidden[id]: // of another namespace: as if it were not there
			d.stored[name] = NewID() // which nobody has
		}
	}
	return nil
}

func (d *dependencies) there(ctx context.Context, ids []task.ID) (map[task.ID]bool, error) {
	there := map[task.ID]bool{}
	for some := range slices.Chunk(ids, task.MaxBatch) {
		rows, err := d.a.cfg.Store.Rows(ctx, some)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			d.hidden[rows[i].ID] = true
		}
		if rows, err = d.a.seen(ctx, rows); err != nil {
			return nil, err
		}
		for i := range rows {
			there[rows[i].ID] = true
			delete(d.hidden, rows[i].ID)
		}
	}
	return there, nil
}

// seen leaves out what whoever asks may not see.
func (a *Acceptor) seen(ctx context.Context, rows []store.Row) ([]store.Row, error) {
	if a.cfg.Seen == nil {
		return rows, nil
	}
	return a.cfg.Seen(ctx, rows)
}

func (a *Acceptor) find(ctx context.Context, name string) (task.ID, error) {
	if a.cfg.Find == nil {
		return task.ID{}, store.ErrNotFound
	}
	return a.cfg.Find(ctx, name)
}

// sort brings what others of the request depend on before them. The error is
// task.Invalid for a circle.
func (d *dependencies) sort() error {
	waits, followers := make([]int, len(d.tasks)), make([][]int, len(d.tasks))
	for n, i := range d.of {
		for _, name := range d.subs[i].Spec.DependsOn {
			if other, ok := d.within[name]; ok {
				waits[n]++
				followers[other] = append(followers[other], n)
			}
		}
	}
	order := make([]int, 0, len(d.tasks))
	for n := range d.tasks {
		if waits[n] == 0 {
			order = append(order, n)
		}
	}
	for next := 0; next < len(order); next++ {
		for _, n := range followers[order[next]] {
			if waits[n]--; waits[n] == 0 {
				order = append(order, n)
			}
		}
	}
	if len(order) < len(d.tasks) {
		n := slices.IndexFunc(waits, func(w int) bool { return w > 0 })
		var bad task.Invalid
		bad.Add(Place(d.of[n], len(d.subs))+"depends_on", "leads in a circle back to this task, or to one that it depends on: none of them could ever run")
		return bad
	}
	tasks, of := slices.Clone(d.tasks), slices.Clone(d.of)
	for at, n := range order {
		d.tasks[at], d.of[at] = tasks[n], of[n]
	}
	return nil
}

// missing says which dependency of a submission is not there.
func (d *dependencies) missing(s *Submission, id task.ID) task.Invalid {
	name := d.names[id]
	var bad task.Invalid
	i := slices.Index(s.Spec.DependsOn, name)
	if _, within := d.within[name]; within {
		bad.Add(fmt.Sprintf("depends_on[%d]", i), "the task %q of this request was not stored", name)
		return bad
	}
	bad.Add(fmt.Sprintf("depends_on[%d]", i), "there is no task %q: want the id of one that is stored, or of another one of this request", name)
	return bad
}
