package sqlite

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func newReader(t *testing.T) *reader {
	t.Helper()
	file := filepath.Join(t.TempDir(), "r.db")
	require.NoError(t, makePrivate(file))
	r, err := openReader(dsn(file, ""))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	_, err = r.ExecContext(t.Context(), "create table n (i int); insert into n values (1), (2)")
	require.NoError(t, err)
	return r
}

func TestAReaderPreparesWhatIsAskedAgain(t *testing.T) {
	r := newReader(t)
	const sum = "select sum(i) from n where i < ?"
	ask := func(want int) {
		t.Helper()
		var n int
		require.NoError(t, r.QueryRowContext(t.Context(), sum, 9).Scan(&n))
		require.Equal(t, want, n)
	}
	ask(3)
	require.Nil(t, r.stmts[sum])
	ask(3)
	require.NotNil(t, r.stmts[sum])
	_, err := r.ExecContext(t.Context(), "alter table n add column more int; create index by_i on n (i); insert into n values (4, 0)")
	require.NoError(t, err)
	ask(7)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 50 {
				ask(7)
			}
		})
	}
	callers.Wait()
}

func TestAReaderRemembersSoManyTexts(t *testing.T) {
	r := newReader(t)
	for i := range maxPrepared + 20 {
		for range 3 {
			rows, err := r.QueryContext(t.Context(), fmt.Sprintf("select i + %d from n", i))
			require.NoError(t, err)
			require.True(t, rows.Next())
			require.NoError(t, rows.Close())
		}
	}
	require.Len(t, r.stmts, maxPrepared)
}

func TestAReaderTellsWhatIsWrongWithAStatement(t *testing.T) {
	r := newReader(t)
	for range 3 {
		_, err := r.QueryContext(t.Context(), "select absent from n")
		require.ErrorContains(t, err, "no such column: absent")
		var n int
		require.ErrorContains(t, r.QueryRowContext(t.Context(), "select never from n").Scan(&n), "no such column: never")
	}
}
