package console

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAPageIsToldSoonAndNotTooOften: of a hundred changes at once it hears twice, and
// without any now and then.
func TestAPageIsToldSoonAndNotTooOften(t *testing.T) {
	now := time.Now()
	p := &pulse{least: time.Second, sent: now}
	told := map[string]int{}
	for range 100 {
		now = now.Add(20 * time.Millisecond)
		p.due = true
		require.LessOrEqual(t, p.wait(now), time.Second)
		told[p.beat(now)]++
	}
	require.Equal(t, map[string]int{"": 98, "event": 2}, told)
	require.Equal(t, tick, p.wait(now))
	require.Empty(t, p.beat(now.Add(tick-1)))
	require.Equal(t, "tick", p.beat(now.Add(tick)))
}

func TestAPageHearsOfWhatItShows(t *testing.T) {
	for address, want := range map[string]string{
		"/": "tasks", "/tasks": "tasks", "/tasks?state=failed": "tasks", "/tasks?queue=a&state=ready": "queue:a", "/tasks?queue=a&queue=b": "tasks",
		"/tasks/order-7": "task:order-7", "/tasks/a,b": "", "/queues": "tasks", "/queues/a%2Fb": "queue:a/b", "/failures/x": "tasks", "/nodes": "", "/schedules/x": "",
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, want, topicsOf(u), address)
	}
}
