package storetest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) Rows(_ context.Context, ids []task.ID) ([]store.Row, error) {
	var out []store.Row
	for _, id := range ids {
		if row := o.tasks[id]; row != nil {
			out = append(out, *row)
		}
	}
	return out, nil
}

func (o *Oracle) Payload(_ context.Context, id task.ID) ([]byte, error) {
	if o.tasks[id] == nil {
		return nil, store.ErrNotFound
	}
	return []byte(o.payloads[id]), nil
}

func (o *Oracle) Attempts(_ context.Context, id task.ID, after int64, limit, maxBytes int) ([]store.AttemptRow, bool, error) {
	rows := slices.DeleteFunc(slices.Clone(o.attempts[id]), func(a store.AttemptRow) bool { return a.Token <= after })
	n := store.Fit(len(rows), func(i int) int { return len(rows[i].Answer.Body) }, limit, maxBytes)
	return rows[:n], n < len(rows), nil
}

func (o *Oracle) LastAttempt(_ context.Context, id task.ID) (store.AttemptRow, error) {
	rows := o.attempts[id]
	if len(rows) == 0 {
		return store.AttemptRow{}, store.ErrNotFound
	}
	return rows[len(rows)-1], nil
}

func (o *Oracle) FindKey(_ context.Context, ns int32, kind store.KeyKind, hash store.Hash) (task.ID, error) {
	if e, ok := o.keys[keyName{ns, kind, hash}]; ok {
		return e.Task, nil
	}
	return task.ID{}, store.ErrNotFound
}

func (o *Oracle) List(_ context.Context, q store.Query) ([]store.Row, task.ID, error) {
	var out []store.Row
	seen := 0
	for _, row := range slices.Backward(o.sortedTasks()) {
		switch {
		case !q.Before.IsZero() && bytes.Compare(row.ID[:], q.Before[:]) >= 0,
			bytes.Compare(row.ID[:], q.From[:]) < 0,
			q.Lanes != nil && !slices.Contains(q.Lanes, row.Lane),
			!q.Root.IsZero() && row.Root != q.Root:
			continue
		}
		seen++
		if q.States == nil || slices.Contains(q.States, row.State) {
			out = append(out, *row)
		}
		if len(out) == q.Limit || seen == q.Scan {
			return out, row.ID, nil
		}
	}
	return out, task.ID{}, nil
}

func (o *Oracle) ListBy(_ context.Context, by store.Order, lanes []int32, after store.Mark, limit int) ([]store.Mark, error) {
	var all []store.Mark
	add := func(lane int32, at int64, id task.ID) {
		if m := (store.Mark{At: at, ID: id}); slices.Contains(lanes, lane) && by.Behind(m, after) {
			all = append(all, m)
		}
	}
	for _, row := range o.tasks {
		switch {
		case by == store.ByFailure && row.State == task.Failed:
			add(row.Lane, row.FinishedAt, row.ID)
		case by == store.ByDue && row.State == task.Scheduled:
			add(row.Lane, row.At, row.ID)
		case by == store.ByPlace && row.State == task.Ready:
			e := row.InLine()
			add(row.Lane, store.PlaceMark(e.Priority, e.Position), row.ID)
		}
	}
	if by == store.ByStart {
		return store.Started(o.started(), after, limit), nil
	}
	return by.Merge(all, limit), nil
}

func (o *Oracle) Stats(context.Context) ([]store.LaneStats, error) {
	stats := map[int32]*store.LaneStats{}
	for _, row := range o.tasks {
		s := stats[row.Lane]
		if s == nil {
			s = &store.LaneStats{Lane: row.Lane}
		}
		switch row.State {
		case task.Ready:
			s.AddReady(1, row.At)
		case task.Scheduled:
			s.Scheduled++
		case task.Running:
			s.Running++
		case task.Failed:
			s.Failed++
		case task.Suspended:
			s.Suspended++
		case task.Blocked:
			s.Blocked++
		default:
			continue
		}
		stats[row.Lane] = s
	}
	var out []store.LaneStats
	for _, s := range stats {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b store.LaneStats) int { return cmp.Compare(a.Lane, b.Lane) })
	return out, nil
}

func (o *Oracle) Snapshot(context.Context) (store.Snapshot, error) {
	s := store.Snapshot{Payloads: maps.Clone(o.payloads), Attempts: map[task.ID][]store.AttemptRow{}}
	for _, row := range o.sortedTasks() {
		s.Tasks = append(s.Tasks, *row)
	}
	for id, rows := range o.attempts {
		s.Attempts[id] = slices.Clone(rows)
	}
	s.Ready = sortedReady(o.ready)
	s.Timers = sortedTimers(o.timers)
	s.Dead = sortedTimers(o.dead)
	s.Claims = o.sortedClaims()
	for _, e := range o.keys {
		s.Keys = append(s.Keys, e)
	}
	slices.SortFunc(s.Keys, byKey)
	for id, n := range o.nodes {
		n.Draining = n.Draining || o.ordered[id]
		s.Nodes = append(s.Nodes, n)
	}
	s.States = maps.Clone(o.states)
	o.snapGates(&s)
	s.Messages, s.Journals = map[task.ID][]store.Message{}, map[task.ID][]task.Segment{}
	for _, w := range o.waits {
		s.Waits = append(s.Waits, w)
	}
	slices.SortFunc(s.Waits, func(a, b store.Wait) int { return bytes.Compare(a.Task[:], b.Task[:]) })
	for id, ms := range o.messages {
		if len(ms) > 0 {
			s.Messages[id] = slices.Clone(ms)
		}
	}
	for id := range o.journals {
		s.Journals[id], _ = o.Journal(ctx, id)
	}
	s.Deps, s.Needs = o.sortedDeps(), o.sortedNeeds()
	s.Todos = slices.SortedFunc(maps.Values(o.todos), byName)
	slices.SortFunc(s.Nodes, func(a, b store.Node) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return s, nil
}

func (o *Oracle) sortedTasks() []*store.Row {
	return slices.SortedFunc(maps.Values(o.tasks), func(a, b *store.Row) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

func (o *Oracle) sortedClaims() []store.ClaimEntry {
	return slices.SortedFunc(maps.Values(o.claims), func(a, b store.ClaimEntry) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

func sortedReady(m map[task.ID]store.ReadyEntry) []store.ReadyEntry {
	return slices.SortedFunc(maps.Values(m), func(a, b store.ReadyEntry) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Priority, b.Priority), byPosition(a, b))
	})
}

func sortedTimers(m map[task.ID]store.TimerEntry) []store.TimerEntry {
	return slices.SortedFunc(maps.Values(m), func(a, b store.TimerEntry) int {
		return cmp.Or(cmpInt(a.At, b.At), bytes.Compare(a.ID[:], b.ID[:]))
	})
}

func byPosition(a, b store.ReadyEntry) int {
	return cmp.Or(cmpInt(a.Position, b.Position), bytes.Compare(a.ID[:], b.ID[:]))
}

func byKey(a, b store.KeyEntry) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.Hash[:], b.Hash[:]))
}

func cmpInt(a, b int64) int { return cmp.Compare(a, b) }

// clone copies everything, so that an atomic batch can be undone.
func (o *Oracle) clone() *Oracle {
	c := *o
	c.tasks = map[task.ID]*store.Row{}
	for id, row := range o.tasks {
		r := *row
		c.tasks[id] = &r
	}
	c.payloads, c.keysOf, c.ready, c.timers = maps.Clone(o.payloads), maps.Clone(o.keysOf), maps.Clone(o.ready), maps.Clone(o.timers)
	c.dead, c.claims, c.keys = maps.Clone(o.dead), maps.Clone(o.claims), maps.Clone(o.keys)
	c.attempts, c.nodes = maps.Clone(o.attempts), maps.Clone(o.nodes)
	c.ordered, c.restAt = maps.Clone(o.ordered), maps.Clone(o.restAt)
	c.waits, c.messages = maps.Clone(o.waits), maps.Clone(o.messages)
	c.journals, c.states, c.todos = maps.Clone(o.journals), maps.Clone(o.states), maps.Clone(o.todos)
	c.progress = maps.Clone(o.progress)
	c.told, c.resets = maps.Clone(o.told), maps.Clone(o.resets)
	c.views.paused = maps.Clone(o.views.paused)
	c.edges, c.needs = maps.Clone(o.edges), maps.Clone(o.needs)
	c.doors = o.doors.clone()
	return &c
}
