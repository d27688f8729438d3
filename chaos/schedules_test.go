//go:build linux

package chaos_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fireJSON is what the tests read of a time of a schedule.
type fireJSON struct {
	Due     time.Time `json:"due"`
	Outcome string    `json:"outcome"`
	Reason  string    `json:"reason"`
	TaskID  string    `json:"task_id"`
}

// TestSchedulesFireOnceWhateverBecomesOfNodes: each second of each schedule makes one task,
// while nodes are killed, and stopped beyond what they may hold.
func TestSchedulesFireOnceWhateverBecomesOfNodes(t *testing.T) {
	skipShort(t)
	c := startCluster(t, 3)
	n := heavy(60, 200)
	body := map[string]any{"every": "1s", "catch_up": "all", "task": map[string]any{"url": "http://127.0.0.1:9/", "delay": "1h"}}
	for i := range n {
		_, err := call(t.Context(), http.MethodPut, fmt.Sprintf("http://%s/v1/schedules/s%d", c.nodes[i%3].addr, i), "", body, nil)
		require.NoError(t, err)
	}
	end := time.Now().Add(time.Duration(heavy(20, 600)) * time.Second)
	for i := 0; time.Now().Before(end); i++ {
		victim := c.nodes[i%3]
		if i%2 == 0 {
			victim.kill()
			time.Sleep(time.Second)
			victim.start()
		} else {
			victim.signal(syscall.SIGSTOP)
			time.Sleep(time.Duration(heavy(3, 12)) * time.Second)
			victim.signal(syscall.SIGCONT)
		}
		time.Sleep(time.Second)
	}
	waitFor(t, 30*time.Second, "nothing is late", func() bool {
		fires, err := c.firesOf("s0", 1)
		return err == nil && time.Since(fires[0].Due) < 3*time.Second
	})
	fired, tasks := 0, map[string]bool{}
	for i := range n {
		name := fmt.Sprint("s", i)
		fires, err := c.firesOf(name, 1000)
		require.NoError(t, err)
		slices.Reverse(fires)
		for k, f := range fires {
			require.Equal(t, "fired", f.Outcome, "%s at %s: %s", name, f.Due, f.Reason)
			require.False(t, tasks[f.TaskID], "%s at %s: a task of another time", name, f.Due)
			if tasks[f.TaskID] = true; k > 0 {
				require.Equal(t, time.Second, f.Due.Sub(fires[k-1].Due), "%s: %s is a double, or follows a miss", name, f.Due)
			}
		}
		fired += len(fires)
	}
	t.Logf("%d schedules were fired %d times, each once", n, fired)
}

// firesOf reads what became of the times of a schedule, newest first.
func (c *cluster) firesOf(name string, atMost int) ([]fireJSON, error) {
	var all []fireJSON
	for cursor := ""; ; {
		var page struct {
			Items      []fireJSON `json:"items"`
			NextCursor string     `json:"next_cursor"`
		}
		path := fmt.Sprintf("/v1/schedules/%s/fires?limit=%d&cursor=%s", name, min(atMost, 500), url.QueryEscape(cursor))
		if _, err := c.nodes[0].get(path, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" || len(all) >= atMost {
			return all, nil
		}
	}
}
