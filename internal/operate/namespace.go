package operate

import (
	"cmp"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/store"
)

// space is the namespace in which whoever asks looks names up.
func space(ctx context.Context) int32 { return cmp.Or(auth.Namespace(ctx), store.DefaultNamespace) }

// Seen leaves out the rows that whoever asks may not see: those of another namespace. The
// program itself sees all.
func (ts *Tasks) Seen(ctx context.Context, rows []store.Row) ([]store.Row, error) {
	if auth.From(ctx) == nil {
		return rows, nil
	}
	if err := ts.knowLanes(ctx, rows); err != nil {
		return nil, err
	}
	mine := space(ctx)
	return slices.DeleteFunc(rows, func(r store.Row) bool { return ts.cfg.Lanes.ByID(r.Lane).Namespace != mine }), nil
}
