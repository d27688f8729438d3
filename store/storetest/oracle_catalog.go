package storetest

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

func (o *Oracle) EnsureLane(_ context.Context, ns int32, queue, pool string, maxQueues int) (store.Lane, error) {
	qi := slices.IndexFunc(o.queues, func(q store.Queue) bool { return q.Namespace == ns && q.Name == queue })
	if qi < 0 || o.forgotten[o.queues[qi].ID] {
		mine := 0
		for _, q := range o.queues {
			if q.Namespace == ns && !o.forgotten[q.ID] {
				mine++
			}
		}
		if mine >= maxQueues {
			return store.Lane{}, store.ErrTooManyQueues
		}
	}
	if qi >= 0 && o.forgotten[o.queues[qi].ID] {
		delete(o.forgotten, o.queues[qi].ID)
		o.queues[qi].CreatedAt = o.Clock()
	}
	if qi < 0 {
		o.queues = append(o.queues, store.Queue{ID: int32(len(o.queues) + 1), Namespace: ns, Name: queue, CreatedAt: o.Clock()})
		qi = len(o.queues) - 1
	}
	q := o.queues[qi]
	for _, l := range o.lanes {
		if l.QueueID == q.ID && store.GroupPool(l.Pool, l.Group) == pool {
			l.Paused = q.Paused
			return l, nil
		}
	}
	l := store.Lane{ID: int32(len(o.lanes) + 1), Namespace: ns, QueueID: q.ID, Queue: queue, Paused: q.Paused}
	l.OfPool(pool)
	o.lanes = append(o.lanes, l)
	return l, nil
}

func (o *Oracle) Lanes(context.Context) ([]store.Lane, error) {
	lanes := slices.Clone(o.lanes)
	for i := range lanes {
		lanes[i].Paused = o.queues[lanes[i].QueueID-1].Paused
		lanes[i].Forgotten = o.forgotten[lanes[i].QueueID]
	}
	return lanes, nil
}

func (o *Oracle) Queues(context.Context) ([]store.Queue, error) {
	qs := slices.DeleteFunc(slices.Clone(o.queues), func(q store.Queue) bool { return o.forgotten[q.ID] })
	slices.SortFunc(qs, func(a, b store.Queue) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return qs, nil
}

func (o *Oracle) SetPaused(_ context.Context, queue int32, paused bool) ([]store.Woken, error) {
	if queue < 1 || int(queue) > len(o.queues) || o.forgotten[queue] {
		return nil, store.ErrNotFound
	}
	o.queues[queue-1].Paused = paused
	if paused {
		return nil, nil
	}
	var woken []store.Woken
	for _, e := range o.ready {
		if o.lanes[e.Lane-1].QueueID == queue {
			woken = store.Collect(woken, store.Woken{Lane: e.Lane, Priority: e.Priority, Position: e.Position})
		}
	}
	return woken, nil
}

func (o *Oracle) Forget(_ context.Context, queue int32) error {
	if queue < 1 || int(queue) > len(o.queues) || o.forgotten[queue] {
		return store.ErrNotFound
	}
	for _, row := range o.tasks {
		if o.lanes[row.Lane-1].QueueID == queue && !row.State.Final() {
			return store.ErrQueueNotEmpty
		}
	}
	o.forgotten[queue] = true
	o.queues[queue-1].Paused, o.queues[queue-1].Settings = false, nil
	return nil
}

func (o *Oracle) SetSettings(_ context.Context, queue int32, was, settings []byte) error {
	switch {
	case queue < 1 || int(queue) > len(o.queues) || o.forgotten[queue]:
		return store.ErrNotFound
	case !bytes.Equal(o.queues[queue-1].Settings, was):
		return store.ErrChanged
	}
	o.queues[queue-1].Settings = slices.Clone(settings)
	return nil
}

func (o *Oracle) paused(lane int32) bool {
	l := o.lanes[lane-1]
	return o.queues[l.QueueID-1].Paused || o.restAt[l.Namespace] != 0
}

func (o *Oracle) PauseNamespace(_ context.Context, namespace int32, paused bool) ([]store.Woken, error) {
	if !slices.ContainsFunc(o.namespaces, func(n store.Namespace) bool { return n.ID == namespace }) {
		return nil, store.ErrNotFound
	}
	if paused {
		if o.restAt[namespace] == 0 {
			o.restAt[namespace] = o.Clock()
		}
		return nil, nil
	}
	delete(o.restAt, namespace)
	var woken []store.Woken
	for _, e := range o.ready {
		if o.lanes[e.Lane-1].Namespace == namespace && !o.paused(e.Lane) {
			woken = store.Collect(woken, store.Woken{Lane: e.Lane, Priority: e.Priority, Position: e.Position})
		}
	}
	return woken, nil
}

func (o *Oracle) PausedNamespaces(context.Context) (map[int32]int64, error) {
	return maps.Clone(o.restAt), nil
}
