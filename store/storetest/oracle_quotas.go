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

// shareName is the key of a share.
type shareName struct {
	queue int32
	node  task.ID
}

func (o *Oracle) Share(ctx context.Context, node task.ID, asks []store.Ask) ([]store.Granted, error) {
	if !o.alive(node) {
		return nil, store.ErrNodeLost
	}
	var out []store.Granted
	for _, ask := range asks {
		all, _ := o.Shares(ctx)
		all = slices.DeleteFunc(all, func(s store.Share) bool { return s.Queue != ask.Queue })
		holds := slices.ContainsFunc(o.queues, func(q store.Queue) bool {
			return q.ID == ask.Queue && !o.forgotten[q.ID] && bytes.Equal(q.Settings, ask.Settings)
		})
		d := store.Divide(ask, holds, node, all, o.Clock())
		for _, s := range []store.Share{d.Mine, d.Rest} {
			if o.shares[shareName{s.Queue, s.Node}] = s; s.None() {
				delete(o.shares, shareName{s.Queue, s.Node})
			}
		}
		out = append(out, d.Granted)
	}
	return out, nil
}

func (o *Oracle) Shares(context.Context) ([]store.Share, error) {
	return slices.SortedFunc(maps.Values(o.shares), func(a, b store.Share) int {
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), bytes.Compare(a.Node[:], b.Node[:]))
	}), nil
}

func (o *Oracle) Occupied(_ context.Context, lanes []int32) ([]int32, error) {
	var out []int32
	for _, lane := range lanes {
		for _, e := range o.ready {
			if e.Lane == lane {
				out = append(out, lane)
				break
			}
		}
	}
	return out, nil
}

// endShares deletes the shares of nodes that are gone.
func (o *Oracle) endShares() {
	maps.DeleteFunc(o.shares, func(name shareName, _ store.Share) bool {
		_, there := o.nodes[name.node]
		return !there && !name.node.IsZero()
	})
}
