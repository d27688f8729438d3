package pages

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// TestALineHasGapsAndKeepsToItsPlace: nothing is drawn where nothing was measured, and
// equal points in a row are two.
func TestALineHasGapsAndKeepsToItsPlace(t *testing.T) {
	gap := math.NaN()
	for want, values := range map[string][]float64{
		"M-3 2.0h6M597 98.0h6":     {4, gap, 0},
		"M0 98.0L600 98.0":         {0, 0, 0, 0, 0},
		"M0 98.0L300 50.0L600 2.0": {0, 2, 4},
		"":                         {gap, gap},
		"M-3 2.0h6":                {4},
	} {
		c := curve{values: values}
		require.Equal(t, want, c.path(4))
	}
	require.Equal(t, "M-3 98.0h6", (&curve{values: []float64{0}}).path(0), "a scale of nothing")
}

// TestAHistoryHasAStepForEachTime, and of several queues the sum.
func TestAHistoryHasAStepForEachTime(t *testing.T) {
	from := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	point := func(minute int, n int64) sendoff.SeriesPoint {
		return sendoff.SeriesPoint{At: from.Add(time.Duration(minute) * time.Minute), Accepted: n, Wait: &sendoff.Quantiles{P50: "2s", P95: "3s"}}
	}
	s := sendoff.Series{From: from, To: from.Add(4 * time.Minute), Items: []sendoff.QueueSeries{
		{Key: "a", Points: []sendoff.SeriesPoint{point(-1, 9), point(1, 2), point(4, 9)}}, {Key: "b", Points: []sendoff.SeriesPoint{point(1, 3), point(3, 1)}},
	}}
	var h History
	h.Read(&s, time.Minute)
	require.Equal(t, []float64{0, 5, 0, 1}, h.charts()[0].lines[0].values)
	require.Len(t, h.charts(), 1, "the waits of two queues have no sum")
	require.Equal(t, "accepted at most 5, succeeded at most 0, failed at most 0", h.charts()[0].words())
	require.Len(t, h.newest(), 2)

	var one History
	s.Items = s.Items[1:]
	one.Read(&s, time.Minute)
	require.Len(t, one.charts(), 2)
	require.Equal(t, "half of them at most 2 s, 95 % at most 3 s", one.charts()[1].words())
	require.True(t, new(History).quiet())
}
