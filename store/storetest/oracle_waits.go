package storetest

import (
	"bytes"
	"cmp"
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (o *Oracle) Ahead(_ context.Context, place store.ReadyEntry, limit int) (int, error) {
	n := 0
	for _, e := range o.ready {
		before := cmp.Or(cmp.Compare(e.Priority, place.Priority), cmp.Compare(e.Position, place.Position), bytes.Compare(e.ID[:], place.ID[:])) < 0
		if e.Lane == place.Lane && before {
			n++
		}
	}
	return min(n, limit), nil
}

func (o *Oracle) AheadAt(_ context.Context, place store.LineEntry, limit int) (int, error) {
	n := 0
	for _, e := range o.lineAt(place.Gate) {
		if cmp.Or(cmp.Compare(e.Priority, place.Priority), cmp.Compare(e.At, place.At), bytes.Compare(e.Task[:], place.Task[:])) < 0 {
			n++
		}
	}
	return min(n, limit), nil
}

func (o *Oracle) Mailbox(_ context.Context, id task.ID) (task.Mailbox, error) {
	return o.waits[id].Mailbox, nil
}
