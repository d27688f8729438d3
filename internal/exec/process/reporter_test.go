package process

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// TestOfWhatIsToldInQuickSuccessionTheLastIsKept, and what makes no sense is put right.
func TestOfWhatIsToldInQuickSuccessionTheLastIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var kept []store.Progress
		r := &reporter{attempt: store.Held{ID: task.ID{1}, Token: 7}, report: func(_ context.Context, h store.Held, p store.Progress) error {
			require.EqualValues(t, 7, h.Token)
			kept = append(kept, p)
			return nil
		}}
		for i := range 1000 {
			r.tell(ctx, Progress{Done: int64(i), Total: 10, Text: "a\x00b\xff"})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, kept, 5)
		require.Equal(t, store.Progress{Done: 999, Total: 999, Text: "ab\uFFFD"}, kept[4])
		r.tell(ctx, Progress{Done: -1, Total: -5, Text: strings.Repeat("é", 400)})
		synctest.Wait()
		require.Equal(t, store.Progress{Text: strings.Repeat("é", 250)}, kept[5])
		cancel()
		r.tell(ctx, Progress{Done: 1})
		synctest.Wait()
		require.Len(t, kept, 6, "the attempt is over")
	})
}
