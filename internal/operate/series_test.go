package operate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// seriesLanes are those of one queue, which has two.
type seriesLanes struct{ lanes }

type lanes = Lanes

func (seriesLanes) Lanes(match func(store.Lane) bool) (out []store.Lane) {
	for _, l := range []store.Lane{{ID: 1, Namespace: 1, Queue: "mail"}, {ID: 2, Namespace: 1, Queue: "mail"}, {ID: 3, Namespace: 2, Queue: "theirs"}} {
		if match(l) {
			out = append(out, l)
		}
	}
	return out
}

// TestTwoNodesAreOneSeries: what both have written is added up, what one has not written it
// shows itself, and what was not written is lost with its node and nothing else.
func TestTwoNodesAreOneSeries(t *testing.T) {
	now := 1000*store.Hour + 30_000_000
	db := storetest.NewShared(func() int64 { return now })
	ctx := context.Background()
	node := func(id byte) *Series {
		return NewSeries(SeriesConfig{Store: db, Lanes: seriesLanes{}, Node: task.ID{id}, Shared: true, Depths: func(context.Context) ([]store.LaneStats, error) {
			return []store.LaneStats{{Lane: 1, Ready: 2, OldestReady: now - 5}, {Lane: 2, Ready: 3}}, nil
		}})
	}
	a, b := node(1), node(2)
	all := func(s *Series) store.Tally {
		page, err := s.Read(ctx, SeriesQuery{})
		require.NoError(t, err)
		var sum store.Tally
		for _, item := range page.Items {
			require.Equal(t, "mail", item.Key)
			for _, p := range item.Points {
				sum.Add(&p.Tally)
			}
		}
		return sum
	}
	for i := range 10 {
		a.Accepted(1)
		b.Accepted(2)
		b.Accepted(3)
		b.Started(2, time.Duration(i)*time.Millisecond)
		a.Settled(1, task.Success, task.Succeeded, time.Second)
	}
	require.EqualValues(t, 10, all(a).Accepted)
	a.Sample(ctx)
	b.Sample(ctx)
	now += store.Minute
	a.Flush(ctx, now)
	b.Flush(ctx, now)
	b.Flush(ctx, now)
	a.Accepted(1)
	sum := all(a)
	require.Equal(t, []int64{21, 10, 10, 10, 5, 5}, []int64{sum.Accepted, sum.Started, sum.Succeeded, sum.Outcomes[task.Success], sum.Ready, sum.OldestReady})
	require.EqualValues(t, 20, all(node(1)).Accepted, "the node was killed, and begins anew")

	now += store.KeepMinutes + store.Hour
	n, err := db.FoldRollups(ctx, store.Minute, store.TenMinutes, now-store.KeepMinutes, 100)
	require.NoError(t, err)
	require.Positive(t, n)
	page, err := b.Read(ctx, SeriesQuery{From: time.UnixMicro(999 * store.Hour), Step: 10 * time.Minute})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Len(t, page.Items[0].Points, 1)
	require.Equal(t, []int64{20, 5}, []int64{page.Items[0].Points[0].Accepted, page.Items[0].Points[0].Ready}, "folding keeps the sums, and the most of depths")
}

func TestQuantiles(t *testing.T) {
	var h store.Histogram
	for i := range 1000 {
		h.Note(time.Duration(i) * time.Millisecond)
	}
	for share, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond} {
		got, ok := h.Quantile(share)
		require.True(t, ok)
		require.InDelta(t, want, got, float64(30*time.Millisecond))
	}
	h.Note(100 * time.Hour)
	tally := store.Tally{Wait: h, Accepted: 3, Ready: 9}
	got, ok := store.DecodeTally(tally.Encode())
	require.True(t, ok)
	require.Equal(t, tally, got)
	_, ok = store.DecodeTally(tally.Encode()[:40])
	require.False(t, ok)
}
