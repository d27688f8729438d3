package storetest

import (
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
)

// rollups are what store.Rollups keeps.
type rollups struct{ rolled []store.Rollup }

// PutRollups implements store.Rollups.
func (o *Oracle) PutRollups(_ context.Context, rows []store.Rollup) error {
	for _, r := range rows {
		o.rolled = slices.DeleteFunc(o.rolled, func(had store.Rollup) bool { return had.Step == r.Step && store.CompareRollups(had, r) == 0 })
		o.rolled = append(o.rolled, r)
	}
	return nil
}

// Rollups implements store.Rollups.
func (o *Oracle) Rollups(_ context.Context, q store.RollupQuery) (out []store.Rollup, _ error) {
	for _, r := range o.rolled {
		if q.Selects(&r) {
			out = append(out, r)
		}
	}
	return out, nil
}

// FoldRollups implements store.Rollups.
func (o *Oracle) FoldRollups(ctx context.Context, from, to, before int64, limit int) (int, error) {
	var rows, had, rest []store.Rollup
	slices.SortFunc(o.rolled, store.CompareRollups)
	for _, r := range o.rolled {
		switch {
		case r.Step == from && r.At < before && len(rows) < limit:
			rows = append(rows, r)
			continue
		case r.Step == to:
			had = append(had, r)
		}
		rest = append(rest, r)
	}
	o.rolled = rest
	if to == 0 || len(rows) == 0 {
		return len(rows), nil
	}
	return len(rows), o.PutRollups(ctx, store.FoldedRollups(rows, had, to))
}
