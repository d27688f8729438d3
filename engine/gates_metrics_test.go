package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// TestGatesAndWhatIsLeftToDoAreMeasured has two tasks run under a limit of two that do not
// notice when they are canceled, and counts what comes of it and of others.
func TestGatesAndWhatIsLeftToDoAreMeasured(t *testing.T) {
	b := open(t, engine.Config{})
	end, began := make(chan struct{}), make(chan string, 10)
	b.HandleFunc("h", func(_ context.Context, c *engine.Call) error {
		began <- c.ID
		<-end
		return nil
	})
	b.run(t)
	t.Cleanup(b.stop)
	over := sync.OnceFunc(func() { close(end) })
	t.Cleanup(over)
	submit := func(id string, change func(*engine.Task)) engine.Status {
		n := engine.Task{Handler: "h", ID: id, Queue: "q"}
		change(&n)
		r, err := b.Submit(t.Context(), n)
		require.NoError(t, err)
		return r.Status
	}
	limited := func(n *engine.Task) { n.Limits = []task.Limit{{Key: "k", Concurrency: 2}} }
	discard := func(n *engine.Task) { n.OnDuplicate, n.DuplicateKey = task.Discard, "d" }
	for n := range 5 {
		submit(fmt.Sprint("l", n), limited)
	}
	submit("slow1", func(n *engine.Task) { n.Limits = []task.Limit{{Key: "slow", Rate: task.Rate{N: 1, Per: time.Hour}}} })
	submit("slow2", func(n *engine.Task) { n.Limits = []task.Limit{{Key: "slow", Rate: task.Rate{N: 1, Per: time.Hour}}} })
	submit("d1", discard)
	require.Equal(t, engine.Dropped, submit("d2", discard))
	for range 4 {
		<-began // l0, l1, slow1 and d1
	}
	submit("d3", func(n *engine.Task) { n.OnDuplicate, n.DuplicateKey = task.ReplaceDuplicate, "d" })
	_, err := b.Tasks().Cancel(t.Context(), "l0")
	require.NoError(t, err)
	seen := scrape(t, b)
	for _, want := range []string{
		`sendoff_gate_events_total{event="entered",kind="limit"} 3`, // and slow1
		`sendoff_gate_events_total{event="in_line",kind="limit"} 3`,
		`sendoff_gate_events_total{event="handed_over",kind="limit"} 0`,
		`sendoff_gate_events_total{event="throttled",kind="limit"} 1`,
		`sendoff_gate_events_total{event="entered",kind="order"} 0`,
		`sendoff_gate_events_total{event="entered",kind="duplicate"} 1`,
		`sendoff_gate_events_total{event="dropped",kind="duplicate"} 1`,
		`sendoff_gate_events_total{event="replaced",kind="duplicate"} 1`,
		`sendoff_in_line 4`, // and d3: d1 was canceled and has not stopped
		`sendoff_leavers 2`,
		`sendoff_tasks{queue="q",state="blocked"} 4`,
	} {
		require.Contains(t, seen, want+"\n")
	}
	require.NotContains(t, seen, "sendoff_oldest_leaver_seconds 0\n")
	over()
	for _, id := range []string{"l1", "l2", "l3", "l4", "slow1", "d3"} {
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, id))
	}
	// A count that was dear is used again for a while: what is scraped follows.
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		seen := scrape(t, b)
		for _, want := range []string{
			`sendoff_gate_events_total{event="handed_over",kind="limit"} 3`, `sendoff_gate_events_total{event="handed_over",kind="duplicate"} 1`,
			`sendoff_in_line 0`, `sendoff_leavers 0`, `sendoff_oldest_leaver_seconds 0`, `sendoff_todos 0`, `sendoff_oldest_todo_seconds 0`,
		} {
			assert.Contains(c, seen, want+"\n")
		}
	}, 20*time.Second, 10*time.Millisecond)
}
