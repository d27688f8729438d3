//go:build linux

package chaos_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/auditor"
)

// set gives a queue its settings, which all nodes know when it returns.
func (c *cluster) set(queue string, settings map[string]any) {
	c.t.Helper()
	code, err := call(c.t.Context(), http.MethodPut, "http://"+c.nodes[0].addr+"/v1/queues/"+queue, "", settings, nil)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, code)
	time.Sleep(1500 * time.Millisecond)
}

// overlaps returns how many deliveries of tasks were under way at a time at most. One
// of a process that a fault has hit is counted until then: its node has lost its
// lease, or is gone, and only the auditor is still busy with it. For the same reason
// those that come late do not count.
func overlaps(ds map[string][]*auditor.Delivery, ids []string, faults ...auditor.Fault) (most int) {
	type step struct {
		at time.Time
		n  int
	}
	var steps []step
	for _, id := range ids {
		for _, d := range inTime(ds[id]) {
			end := d.Answered
			for _, f := range faults {
				if f.PID == d.PID && d.At.Before(f.At) && (end.IsZero() || end.After(f.At)) {
					end = f.At
				}
			}
			steps = append(steps, step{d.At, 1}, step{end, -1})
		}
	}
	slices.SortFunc(steps, func(a, b step) int {
		if a.at.Equal(b.at) {
			return a.n - b.n
		}
		return a.at.Compare(b.at)
	})
	now := 0
	for _, s := range steps {
		now += s.n
		most = max(most, now)
	}
	return most
}

// inTime returns the deliveries of a task without those that came after a later attempt:
// a process sent them that had been stopped, and had lost its lease.
func inTime(ds []*auditor.Delivery) (in []*auditor.Delivery) {
	var newest int64
	for _, d := range ds {
		if newest = max(newest, d.Token); d.Token == newest {
			in = append(in, d)
		}
	}
	return in
}

// fastest returns by how many starts the worst time had more than a rate allows
// without its burst.
func fastest(ds map[string][]*auditor.Delivery, ids []string, perSecond float64) (burst float64) {
	var at []time.Time
	for _, id := range ids {
		for _, d := range inTime(ds[id]) {
			at = append(at, d.At)
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	for i := range at {
		for j := i; j < len(at); j++ {
			burst = max(burst, float64(j-i+1)-perSecond*at[j].Sub(at[i]).Seconds())
		}
	}
	return burst
}

// TestLimitsOfAQueueHoldWhenNodesAreLost: one node is killed, and one is stopped until
// it has lost its lease, while tasks wait for the limits of their queues.
func TestLimitsOfAQueueHoldWhenNodesAreLost(t *testing.T) {
	c := startCluster(t, 3)
	const atATime, burst, perSecond = 6, 5, 20
	c.set("few", map[string]any{"concurrency": atATime})
	c.set("slow", map[string]any{"rate": "20/s", "burst": burst})
	few := c.submit("few", heavy(1000, 6000), "sleep=100ms", map[string]any{"queue": "few"})
	slow := c.submit("slow", heavy(400, 3000), "", map[string]any{"queue": "slow"})
	delivered := func(ids []string) (n int) {
		for _, ds := range c.judge.deliveries(t) {
			if slices.Contains(ids, ds[0].Task) {
				n++
			}
		}
		return n
	}
	waitFor(t, time.Minute, "the limits are in use", func() bool { return delivered(few) > 100 && delivered(slow) > 20 })

	faults := c.loseTwo()
	c.check(c.nodes[2], faults...)

	ds := c.judge.deliveries(t)
	most, at := overlaps(ds, few, faults...), fastest(ds, slow, perSecond)
	t.Logf("%d of %d attempts under way at a time; %.2f of %d starts at once", most, atATime, at, burst)
	require.LessOrEqual(t, most, atATime)
	require.LessOrEqual(t, at, float64(burst))
	require.GreaterOrEqual(t, most, atATime-1, "some of the limit was lost with the nodes")
}

// TestLimitsOfAQueueHoldAcrossRestarts: 100 a second and 20 at once, over SQLite, while the
// server is killed and, later, told to end.
func TestLimitsOfAQueueHoldAcrossRestarts(t *testing.T) {
	c := &cluster{t: t, judge: startJudge(t), acked: map[string]string{}}
	s := newServer(t, sendoff(t), filepath.Join(t.TempDir(), "sendoff.db"))
	s.start()
	c.nodes = append(c.nodes, s)
	c.set("slow", map[string]any{"rate": "100/s", "burst": 20})
	ids := c.submit("slow", heavy(500, 6000), "", map[string]any{"queue": "slow"})
	delivered := func(n int) func() bool { return func() bool { return len(c.judge.deliveries(t)) >= n } }
	waitFor(t, time.Minute, "a third has been started", delivered(len(ids)/3))
	fault := auditor.Fault{PID: s.pid(), At: time.Now()}
	s.kill()
	s.start()
	waitFor(t, time.Minute, "two thirds have been started", delivered(len(ids)*2/3))
	s.signal(syscall.SIGTERM)
	require.Equal(t, 0, s.end(grace+time.Second))
	s.start()
	c.check(s, fault)
	ds := c.judge.deliveries(t)
	at := fastest(ds, ids, 100)
	t.Logf("%.2f of 20 starts at once", at)
	require.LessOrEqual(t, at, float64(heavy(30, 20)), "other programs beside it make what is started in time arrive late: the short form allows for 100 ms, the long one for none")
}
