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

// views are what store.Views keeps.
type views struct {
	told   map[task.ID]store.View
	resets map[task.ID]store.Reset
	paused map[string]int64 // hosts that get no pushes, with since when
}

func newViews() views {
	return views{map[task.ID]store.View{}, map[task.ID]store.Reset{}, map[string]int64{}}
}

// SetView implements store.Views.
func (o *Oracle) SetView(_ context.Context, node task.ID, body []byte) error {
	if o.alive(node) {
		o.told[node] = store.View{Node: node, Name: o.nodes[node].Name, At: o.Clock(), Body: body}
	}
	return nil
}

// Views implements store.Views.
func (o *Oracle) Views(context.Context) ([]store.View, error) {
	var out []store.View
	for node, v := range o.told {
		if o.alive(node) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b store.View) int { return bytes.Compare(a.Node[:], b.Node[:]) })
	return out, nil
}

// AskReset implements store.Views.
func (o *Oracle) AskReset(_ context.Context, r store.Reset) error {
	maps.DeleteFunc(o.resets, func(_ task.ID, old store.Reset) bool { return old.At < o.Clock()-store.KeepResets })
	if _, known := o.resets[r.ID]; !known {
		r.At = o.Clock()
		o.resets[r.ID] = r
	}
	return nil
}

// Resets implements store.Views.
func (o *Oracle) Resets(_ context.Context, since int64) ([]store.Reset, error) {
	var out []store.Reset
	for _, r := range o.resets {
		if r.At >= since {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b store.Reset) int { return cmp.Or(cmp.Compare(a.At, b.At), bytes.Compare(a.ID[:], b.ID[:])) })
	return out, nil
}

// PauseHost implements store.Views.
func (o *Oracle) PauseHost(_ context.Context, host string, paused bool) error {
	if !paused {
		delete(o.views.paused, host)
	} else if _, known := o.views.paused[host]; !known {
		o.views.paused[host] = o.Clock()
	}
	return nil
}

// PausedHosts implements store.Views.
func (o *Oracle) PausedHosts(context.Context) ([]store.PausedHost, error) {
	var out []store.PausedHost
	for _, host := range slices.Sorted(maps.Keys(o.views.paused)) {
		out = append(out, store.PausedHost{Host: host, At: o.views.paused[host]})
	}
	return out, nil
}
