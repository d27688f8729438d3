package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// LimitUse is how much of what tasks share is taken.
type LimitUse struct {
	Key     string // of the limit, the order or the duplicates; "" = the target with its payload
	Used    int32
	Allowed int32 // 0 = any number
}

var waitCauses = map[store.GateKind]task.WaitCause{
	store.LimitGate: task.WaitLimit, store.OrderGate: task.WaitOrder, store.DuplicateGate: task.WaitDuplicate,
}

// atGate finds the gate at which a task stands in line: the first that lets nobody in.
func (w *Waits) atGate(ctx context.Context, t *Task) (*Waiting, error) {
	gates, err := store.DecodeGates(t.Gates)
	if err != nil {
		return nil, err
	}
	var found *store.GateRow
	for i := range gates {
		if waitReasons[gates[i].Kind] != t.Reason {
			continue
		}
		g, err := w.cfg.Store.Gate(ctx, gates[i].ID())
		if errors.Is(err, store.ErrNotFound) {
			continue // it has become free just now
		}
		if err != nil {
			return nil, err
		}
		if found == nil || !g.Room() && found.Room() {
			found = &g
		}
	}
	if found == nil {
		return &Waiting{Cause: task.WaitLine, Text: "it has room now, and is about to be ready"}, nil
	}
	v := gateWaiting(found)
	v.Since = t.At
	n, err := w.cfg.Store.AheadAt(ctx, found.Place(&t.Row), maxAhead)
	if err != nil {
		return nil, err
	}
	v.atPlace(n, found)
	v.Holders, err = w.holders(ctx, found)
	return v, err
}

var waitReasons = map[store.GateKind]task.Reason{
	store.LimitGate: task.Limited, store.OrderGate: task.Ordered, store.DuplicateGate: task.Duplicate,
}

func gateWaiting(g *store.GateRow) *Waiting {
	key := g.Name
	if strings.HasPrefix(key, "\t") { // made of its target and payload
		key = ""
	}
	v := &Waiting{Cause: waitCauses[g.Kind], Limit: &LimitUse{Key: key, Used: g.Inside, Allowed: g.Capacity}, Help: []WaitOperation{HelpRun}}
	switch {
	case g.Paused:
		v.Text, v.Help = fmt.Sprintf("the limit %q is paused", key), []WaitOperation{HelpLimit, HelpRun}
	case g.Kind == store.OrderGate:
		v.Text = fmt.Sprintf("others with the order key %q come first", key)
	case g.Kind == store.DuplicateGate && key == "":
		v.Text = "others with the same target and payload have not ended"
	case g.Kind == store.DuplicateGate:
		v.Text = fmt.Sprintf("others with the duplicate key %q have not ended", key)
	default:
		v.Text, v.Help = fmt.Sprintf("the limit %q has no room: %d of %d are used", key, g.Inside, g.Capacity), []WaitOperation{HelpLimit, HelpRun}
	}
	return v
}

// atPlace says where in line at a gate a task is.
func (v *Waiting) atPlace(n int, g *store.GateRow) {
	v.Ahead = &Ahead{N: n, Exact: n < maxAhead}
	switch {
	case n > 0:
		v.Text += fmt.Sprintf("; %d of the %d that wait in line are ahead of it", n, g.Waiting)
	case g.Waiting > 1:
		v.Text += fmt.Sprintf("; it is the first of the %d that wait in line", g.Waiting)
	}
}

// holders names those that are inside of a gate, 20 at most: those that run, as far as
// they are found among the latest, then those that are ready, and those that keep their
// places while they wait for a retry.
func (w *Waits) holders(ctx context.Context, g *store.GateRow) (ids []string, err error) {
	most := min(int(g.Inside), maxWaitedFor)
	for _, state := range []task.State{task.Running, task.Ready, task.Scheduled, task.Suspended} {
		if len(ids) == most {
			break
		}
		rows, _, err := w.cfg.Store.List(ctx, store.Query{States: []task.State{state}, Limit: maxPage, Scan: scanLimit})
		if err != nil {
			return nil, err
		}
		for i := range rows {
			if len(ids) < most && inside(&rows[i], g) {
				holder := view(rows[i], w.cfg.Lanes)
				ids = append(ids, holder.PublicID())
			}
		}
	}
	if len(ids) > 0 || g.Holder.IsZero() || most == 0 {
		return ids, nil
	}
	return w.lastHolder(ctx, g)
}

func inside(row *store.Row, g *store.GateRow) bool {
	if row.Flags&store.FlagGate == 0 || !row.Inside(g.Kind) {
		return false
	}
	gates, err := store.DecodeGates(row.Gates)
	return err == nil && slices.ContainsFunc(gates, func(own store.Gate) bool { return own.ID() == g.ID })
}

// lastHolder names who entered last, when it is still there.
func (w *Waits) lastHolder(ctx context.Context, g *store.GateRow) ([]string, error) {
	tasks, err := w.cfg.Functions.tasks.Rows(ctx, []task.ID{g.Holder})
	if err != nil || len(tasks) == 0 || tasks[0].State.Final() {
		return nil, err
	}
	return []string{tasks[0].PublicID()}, nil
}

// atRate is a task that waits for the time which a rate gave it.
func (w *Waits) atRate(t *Task) *Waiting {
	v := &Waiting{Cause: task.WaitLimit, Until: t.At, Help: []WaitOperation{HelpLimit, HelpRun}}
	var keys []string
	for i := range t.Spec.Limits {
		if l := &t.Spec.Limits[i]; l.Rate != (task.Rate{}) {
			keys = append(keys, l.Key)
		}
	}
	v.Text = "its turn under a rate comes at " + clock(t.At)
	if len(keys) > 0 {
		v.Limit = &LimitUse{Key: keys[0]}
		v.Text = fmt.Sprintf("its turn under the rate of%s comes at %s", quoted(keys), clock(t.At))
	}
	return v
}

// depends names the tasks that one depends on and that have not ended.
func (w *Waits) depends(ctx context.Context, t *Task) (*Waiting, error) {
	n, found, err := w.cfg.Store.Need(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	v := &Waiting{Cause: task.WaitDependencies, Text: "tasks that it depends on have not ended"}
	if found {
		v.Text = fmt.Sprintf("%d of %s that it depends on have not ended", n.Open(), counted(int64(n.Total), "task"))
	}
	var ids []task.ID
	for after := (task.ID{}); len(ids) < maxWaitedFor; {
		page, err := w.cfg.Store.Dependencies(ctx, t.ID, after, maxPage)
		if err != nil {
			return nil, err
		}
		for i := range page {
			if after = page[i].ID; page[i].Ended == task.NotEnded && len(ids) < maxWaitedFor {
				ids = append(ids, page[i].ID)
			}
		}
		if len(page) < maxPage {
			break
		}
	}
	v.Tasks, err = w.named(ctx, ids)
	return v, err
}

// named are tasks by the ids that they go by, in the same order.
func (w *Waits) named(ctx context.Context, ids []task.ID) ([]WaitedFor, error) {
	tasks, err := w.cfg.Functions.tasks.Rows(ctx, ids)
	if err != nil {
		return nil, err
	}
	by := map[task.ID]*Task{}
	for i := range tasks {
		by[tasks[i].ID] = &tasks[i]
	}
	var named []WaitedFor
	for _, id := range ids {
		if t := by[id]; t != nil {
			named = append(named, WaitedFor{ID: t.PublicID(), State: t.State})
		}
	}
	return named, nil
}

// queueLimit tells whether as many tasks of a queue run as its setting allows. Where
// that is more than a page it does not look, and where a task waits for the rate of its
// queue, nobody can tell it from one that is about to start.
func (w *Waits) queueLimit(ctx context.Context, t *Task, lane store.Lane) (*Waiting, error) {
	most := int(w.cfg.Settings(lane.Namespace, lane.Queue).Concurrency)
	if most == 0 || most > maxPage {
		return nil, nil
	}
	running, _, err := w.cfg.Store.List(ctx, store.Query{
		Lanes: lanesOf(w.cfg.Lanes.Lanes, lane.Namespace, lane.Queue), States: []task.State{task.Running}, Limit: most, Scan: scanLimit,
	})
	if err != nil || len(running) < most {
		return nil, err
	}
	v := &Waiting{
		Cause: task.WaitQueueLimit, Since: t.At, Limit: &LimitUse{Key: lane.Queue, Used: int32(len(running)), Allowed: int32(most)},
		Text: fmt.Sprintf("the queue %q runs as many tasks as its setting allows: %d", lane.Queue, most), Help: []WaitOperation{HelpQueue},
	}
	for i := range running[:min(len(running), maxWaitedFor)] {
		holder := view(running[i], w.cfg.Lanes)
		v.Holders = append(v.Holders, holder.PublicID())
	}
	return v, nil
}
