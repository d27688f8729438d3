package storetest

import (
	"cmp"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// savedViews are what store.SavedViews keeps.
type savedViews map[graphName]store.SavedView

// PutSavedView implements store.SavedViews.
func (o *Oracle) PutSavedView(_ context.Context, v store.SavedView) (put store.SavedView, made bool, err error) {
	key := graphName{v.Namespace, v.Name}
	had, known := o.savedViews[key]
	v.CreatedAt, v.UpdatedAt = o.Clock(), o.Clock()
	if known {
		v.CreatedAt = had.CreatedAt
	}
	o.savedViews[key] = v
	return v, !known, nil
}

// ListSavedViews implements store.SavedViews.
func (o *Oracle) ListSavedViews(_ context.Context, ns int32) (out []store.SavedView, err error) {
	for key, v := range o.savedViews {
		if key.ns == ns {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b store.SavedView) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// DeleteSavedView implements store.SavedViews.
func (o *Oracle) DeleteSavedView(_ context.Context, ns int32, name string) error {
	key := graphName{ns, name}
	if _, known := o.savedViews[key]; !known {
		return store.ErrNotFound
	}
	delete(o.savedViews, key)
	return nil
}
