package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

// TestNodesPutRevisionsWithoutGaps: several nodes put definitions under one name, each
// on several connections, while it is deleted now and then.
func TestNodesPutRevisionsWithoutGaps(t *testing.T) {
	t.Parallel()
	dsn := testkit.Postgres(t)
	const nodes, writers, each = 2, 4, 25
	var wg sync.WaitGroup
	errs := make([]error, nodes*writers)
	for i := range nodes {
		f := newFixture(t, dsn, postgres.Options{MaxConns: 8})
		for w := range writers {
			wg.Go(func() {
				for n := range each {
					_, made, err := f.s.PutGraph(t.Context(), 1, "a", fmt.Appendf(nil, "%d %d %d", i, w, n))
					if err != nil || !made {
						errs[i*writers+w] = fmt.Errorf("made: %t, %w", made, err)
					}
					if w == 0 && n%10 == 9 {
						_ = f.s.DeleteGraph(t.Context(), 1, "a") // the other node may have done it
					}
				}
			})
		}
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	f := newFixture(t, dsn, postgres.Options{})
	latest, err := f.s.Graph(t.Context(), 1, "a", 0)
	require.NoError(t, err)
	for rev := range latest.Rev {
		_, err := f.s.Graph(t.Context(), 1, "a", rev+1)
		require.NoError(t, err, "revision %d of %d", rev+1, latest.Rev)
	}
}
