package pages

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// TestATimelineHasEveryPhase in order, whatever order attempts come in.
func TestATimelineHasEveryPhase(t *testing.T) {
	came := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return came.Add(time.Duration(s) * time.Second) }
	first := sendoff.Attempt{Number: 1, StartedAt: at(10), FinishedAt: at(20), Outcome: "failure"}
	last := sendoff.Attempt{Number: 2, StartedAt: at(80), Outcome: "running"}
	p := Task{Attempts: []sendoff.Attempt{last, first}}
	p.Task.CreatedAt, p.Task.State = came, "running"

	line := timelineOf(&p, at(100))
	var got []string
	for i := range line {
		got = append(got, line[i].words()+" "+span(line[i].to.Sub(line[i].from)))
	}
	require.Equal(t, []string{"waiting for its first attempt 10 s", "attempt 1: failure 10 s", "between attempts 1 min", "attempt 2: running 20 s"}, got)
	require.Equal(t, "waited 10 s, at work 30 s, between attempts 1 min", line.words())
	x, wide := line.box(2)
	require.Equal(t, []string{"120.0", "360.0"}, []string{x, wide})

	p.Attempts[0] = sendoff.Attempt{Number: 95, StartedAt: at(80), FinishedAt: at(80), Outcome: "failure", LeftOut: 90}
	p.Task.State = "failed"
	line = timelineOf(&p, at(100))
	require.Equal(t, "90 attempts that are not kept", line[2].words())
	require.Len(t, line, 4, "it has ended: nothing follows its last attempt")
	x, wide = line.box(3)
	require.Equal(t, []string{"598.0", "2.0"}, []string{x, wide}, "what took no time is seen")

	p.MoreAttempts = true
	require.Equal(t, "attempt 1: failure", timelineOf(&p, at(100))[0].words(), "what was before is not on this page")
	p.Attempts = nil
	require.Empty(t, timelineOf(&p, at(100)))
}
