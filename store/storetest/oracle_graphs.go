package storetest

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// graphs are what store.Graphs keeps: the revisions of each name, oldest first.
type graphs map[graphName][]store.Graph

type graphName struct {
	ns   int32
	name string
}

// PutGraph implements store.Graphs.
func (o *Oracle) PutGraph(_ context.Context, ns int32, name string, definition []byte) (g store.Graph, made bool, err error) {
	key := graphName{ns, name}
	all := o.graphs[key]
	if made = len(all) == 0 || !bytes.Equal(all[len(all)-1].Definition, definition); made {
		all = append(all, store.Graph{Name: name, Rev: int32(len(all) + 1), Definition: definition, CreatedAt: o.Clock()})
		o.graphs[key] = all
	}
	return bare(all[len(all)-1]), made, nil
}

// bare leaves the definition out.
func bare(g store.Graph) store.Graph {
	g.Definition = nil
	return g
}

// Graph implements store.Graphs.
func (o *Oracle) Graph(_ context.Context, ns int32, name string, rev int32) (store.Graph, error) {
	all := o.graphs[graphName{ns, name}]
	if rev == 0 {
		rev = int32(len(all))
	}
	if rev < 1 || int(rev) > len(all) {
		return store.Graph{}, store.ErrNotFound
	}
	return all[rev-1], nil
}

// ListGraphs implements store.Graphs.
func (o *Oracle) ListGraphs(_ context.Context, ns int32, after string, limit int) ([]store.Graph, error) {
	var out []store.Graph
	for key, all := range o.graphs {
		if key.ns == ns && key.name > after {
			out = append(out, bare(all[len(all)-1]))
		}
	}
	slices.SortFunc(out, func(a, b store.Graph) int { return cmp.Compare(a.Name, b.Name) })
	return out[:min(limit, len(out))], nil
}

// DeleteGraph implements store.Graphs.
func (o *Oracle) DeleteGraph(_ context.Context, ns int32, name string) error {
	key := graphName{ns, name}
	if len(o.graphs[key]) == 0 {
		return store.ErrNotFound
	}
	delete(o.graphs, key)
	return nil
}
