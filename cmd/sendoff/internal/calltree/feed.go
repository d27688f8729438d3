package calltree

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// Feed follows the calls of the engine in this process: it looks for new ones by
// their time of creation, and reads those that have not ended again. A call may
// be committed a little after one that was created later.
type Feed struct {
	engine *engine.Engine
	client *sendoff.Client // of the same engine
	Forest *forest
	from   time.Time           // created since
	seen   map[task.ID]bool    // created since
	open   map[task.ID]bool    // in view and not ended
	change func(was, is *Call) // of a call; was = nil for a new one
	news   [][2]*Call          // of this look
	looks  int
}

const (
	feedOverlap = 2 * time.Second
	feedPages   = 20  // of new calls in one look
	feedBatch   = 500 // calls in one read
	feedAll     = 20  // looks until ended calls are read as well: somebody may have begun one again
)

// NewFeed follows the calls that are made from now on. client talks to the same
// engine; change is told what has become of a call, from the goroutine of Look.
func NewFeed(e *engine.Engine, client *sendoff.Client, change func(was, is *Call)) *Feed {
	return &Feed{engine: e, client: client, Forest: newForest(maxCalls), from: time.Now(), seen: map[task.ID]bool{}, open: map[task.ID]bool{}, change: change}
}

// unfinished are the states of calls that go on.
var unfinished = []task.State{task.Scheduled, task.Ready, task.Running, task.Suspended, task.Blocked}

// Resume takes the trees of an earlier run into view whose calls go on.
func (f *Feed) Resume(ctx context.Context) error {
	filter := engine.Filter{States: unfinished, Limit: feedBatch, CreatedBefore: f.from}
	roots := map[task.ID]bool{}
	for len(f.Forest.calls) < f.Forest.most {
		page, err := f.engine.Tasks().List(ctx, filter)
		if err != nil {
			return err
		}
		for i := range page.Items {
			t := &page.Items[i]
			if root := t.Root; !root.IsZero() && !roots[root] {
				roots[root] = true
				f.takeTree(ctx, root)
			}
			f.take(t)
		}
		if filter.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	f.news = f.news[:0]
	f.Forest.trim()
	return nil
}

func (f *Feed) takeTree(ctx context.Context, root task.ID) {
	tree, err := f.engine.Functions().Tree(ctx, root.String())
	if err != nil {
		return // it is shown without its callers
	}
	for i := range tree.Tasks[:min(len(tree.Tasks), f.Forest.most)] {
		f.take(&tree.Tasks[i])
	}
}

// Look brings the view up to date, and tells what has changed by the time it did.
func (f *Feed) Look(ctx context.Context) error {
	err := f.discover(ctx)
	if err == nil {
		err = f.refresh(ctx)
	}
	slices.SortStableFunc(f.news, func(a, b [2]*Call) int { return a[1].Changed().Compare(b[1].Changed()) })
	for _, n := range f.news {
		f.change(n[0], n[1])
	}
	f.news = f.news[:0]
	f.Forest.trim()
	return err
}

// discover takes new calls, oldest first.
func (f *Feed) discover(ctx context.Context) error {
	began := time.Now()
	filter := engine.Filter{CreatedAfter: f.from, Limit: feedBatch}
	var found []engine.TaskInfo
	for range feedPages {
		page, err := f.engine.Tasks().List(ctx, filter)
		if err != nil {
			return err
		}
		for _, t := range page.Items {
			if !f.seen[t.UUID] {
				found = append(found, t)
			}
		}
		if filter.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	for i := len(found) - 1; i >= 0; i-- {
		f.seen[found[i].UUID] = true
		f.take(&found[i])
	}
	f.advance(began.Add(-feedOverlap))
	return nil
}

// advance forgets which calls were seen that will not be listed again.
func (f *Feed) advance(to time.Time) {
	if !to.After(f.from) {
		return
	}
	f.from = to
	floor := task.FloorID(to).String()
	for id := range f.seen {
		if id.String() < floor {
			delete(f.seen, id)
		}
	}
}

func (f *Feed) refresh(ctx context.Context) error {
	ids := slices.Collect(maps.Keys(f.open))
	if f.looks++; f.looks%feedAll == 0 {
		ids = ids[:0]
		for _, c := range f.Forest.calls {
			ids = append(ids, c.task)
		}
	}
	for batch := range slices.Chunk(ids, feedBatch) {
		tasks, err := f.engine.Tasks().Many(ctx, batch)
		if err != nil {
			return err
		}
		f.gone(batch, tasks)
		for i := range tasks {
			f.take(&tasks[i])
		}
	}
	return nil
}

// gone drops calls that were deleted.
func (f *Feed) gone(asked []task.ID, tasks []engine.TaskInfo) {
	if len(asked) == len(tasks) {
		return
	}
	there := map[task.ID]bool{}
	for i := range tasks {
		there[tasks[i].UUID] = true
	}
	for _, id := range asked {
		if !there[id] {
			delete(f.open, id)
			delete(f.Forest.calls, id.String())
		}
	}
}

// take brings one call up to date.
func (f *Feed) take(t *engine.TaskInfo) {
	c := callOf(t)
	if was := f.Forest.calls[c.key]; was == nil && len(f.Forest.calls) >= 2*f.Forest.most {
		f.Forest.Total++ // no room even for calls that go on
		return
	}
	was := f.Forest.put(c)
	if c.Final() {
		delete(f.open, t.UUID)
	} else {
		f.open[t.UUID] = true
	}
	if was == nil || was.State != c.State || was.Trips != c.Trips || was.Err != c.Err {
		f.news = append(f.news, [2]*Call{was, c})
	}
}
