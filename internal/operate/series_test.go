package operate

import (
	"context"
	"fmt"
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
		a.Accepted(1, "host")
		b.Accepted(2, "host")
		b.Accepted(3, "host")
		b.Started(2, "host", time.Duration(i)*time.Millisecond)
		a.Settled(1, "host", task.Success, task.Succeeded, time.Second)
	}
	require.EqualValues(t, 10, all(a).Accepted)
	a.Sample(ctx)
	b.Sample(ctx)
	now += store.Minute
	a.Flush(ctx, now)
	b.Flush(ctx, now)
	b.Flush(ctx, now)
	a.Accepted(1, "host")
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

// TestTargetsAreCountedByTheHour, those with most to do, of all queues of a namespace and on
// all nodes; also while they are not yet written, and after a node was started anew.
func TestTargetsAreCountedByTheHour(t *testing.T) {
	now := 1000*store.Hour + 30_000_000
	db := storetest.NewShared(func() int64 { return now })
	ctx := context.Background()
	node := func(id byte) *Series {
		return NewSeries(SeriesConfig{Store: db, Lanes: seriesLanes{}, Node: task.ID{id}, Shared: true})
	}
	a, b := node(1), node(2)
	read := func(s *Series, names ...string) map[string]int64 {
		t.Helper()
		page, err := s.Read(ctx, SeriesQuery{Targets: true, Keys: names})
		require.NoError(t, err)
		require.Equal(t, time.Hour, page.Step)
		out := map[string]int64{}
		for _, item := range page.Items {
			for _, p := range item.Points {
				out[item.Key] += p.Started
				require.Zero(t, p.At.UnixMicro()%store.Hour)
			}
		}
		return out
	}
	a.Started(1, "x", 0)
	a.Started(2, "x", 0)
	b.Started(2, "x", 0)
	b.Started(2, "y", 0)
	b.Started(3, "x", 0)
	require.Equal(t, map[string]int64{"x": 2}, read(a))
	require.Equal(t, map[string]int64{"x": 1, "y": 1}, read(b), "and nothing of another namespace")
	now += store.Minute
	a.Flush(ctx, now)
	b.Flush(ctx, now)
	a.Started(1, "x", 0)
	a.Started(1, "", 0)
	require.Equal(t, map[string]int64{"x": 4, "y": 1}, read(a))
	require.Equal(t, map[string]int64{"x": 3, "y": 1}, read(node(3)))
	require.Equal(t, map[string]int64{"y": 1}, read(a, "y", "z"))
	now += store.Minute
	a.Flush(ctx, now)
	require.Equal(t, map[string]int64{"x": 4, "y": 1}, read(node(3)))

	now += store.Hour
	for i := range 3 * busyTargets {
		for range i%3 + 1 {
			a.Started(1, fmt.Sprint(i), 0)
		}
	}
	now += store.Minute
	a.Flush(ctx, now)
	got := read(node(3))
	require.Len(t, got, 2+busyTargets)
	for name, n := range got {
		if name != "x" && name != "y" {
			require.EqualValues(t, 3, n, name)
		}
	}
	page, err := a.Read(ctx, SeriesQuery{})
	require.NoError(t, err)
	var all int64
	for _, p := range page.Items[0].Points {
		all += p.Started
	}
	require.EqualValues(t, 6*busyTargets+6, all, "targets are not counted twice")
	n, err := db.FoldRollups(ctx, store.Minute, store.TenMinutes, now+store.Hour, 1000)
	require.NoError(t, err)
	require.Positive(t, n)
	_, err = db.FoldRollups(ctx, store.TenMinutes, store.Hour, now+store.Hour, 1000)
	require.NoError(t, err)
	require.Equal(t, got, read(node(3)), "folding leaves them as they are")
	_, err = a.Read(ctx, SeriesQuery{Targets: true, Step: time.Minute})
	require.ErrorContains(t, err, "counted by the hour, want 1h")
}

// TestShortWindowsHaveTenSeconds: of all nodes, before and after they are written, and for
// 20 minutes; they are not added to the minutes.
func TestShortWindowsHaveTenSeconds(t *testing.T) {
	now := 1000 * store.Hour
	db := storetest.NewShared(func() int64 { return now })
	ctx := context.Background()
	node := func(id byte) *Series {
		return NewSeries(SeriesConfig{Store: db, Lanes: seriesLanes{}, Node: task.ID{id}, Shared: true})
	}
	a, b := node(1), node(2)
	read := func(s *Series, from int64, step time.Duration) (points []int64, got time.Duration) {
		page, err := s.Read(ctx, SeriesQuery{From: time.UnixMicro(from), Step: step})
		require.NoError(t, err)
		for _, item := range page.Items {
			for _, p := range item.Points {
				points = append(points, p.Started)
			}
		}
		return points, page.Step
	}
	start := now
	for range 9 {
		a.Started(1, "", 0)
		b.Started(2, "", 0)
		now += store.TenSeconds
		a.Flush(ctx, now)
		b.Flush(ctx, now)
	}
	a.Started(1, "", 0)
	now += store.Minute / 60
	points, step := read(a, start, 0)
	require.Equal(t, []int64{2, 2, 2, 2, 2, 2, 2, 2, 2, 1}, points)
	require.Equal(t, 10*time.Second, step)
	points, _ = read(node(3), start, 0)
	require.Equal(t, []int64{2, 2, 2, 2, 2, 2, 2, 2, 2}, points, "the last ten seconds are not yet written")
	points, step = read(a, start-store.Hour, 0)
	require.Equal(t, time.Minute, step)
	require.Equal(t, []int64{12, 4}, points, "the minute that is not over is that of this node")
	n, err := db.FoldRollups(ctx, store.TenSeconds, 0, now, 1000)
	require.NoError(t, err)
	require.Equal(t, 18, n)
	points, _ = read(node(3), start, time.Minute)
	require.Equal(t, []int64{12}, points)
}
