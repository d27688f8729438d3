//go:build linux

package chaos_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/auditor"
)

// noticed is how soon the tasks of a dead node start elsewhere (I9): a lease of
// 10 s, a sweep each second, and some room.
const noticed = 15 * time.Second

// lease is how long a node that says nothing is believed to live.
const lease = 10 * time.Second

// cluster is nodes over one PostgreSQL, and what was submitted to them.
type cluster struct {
	t     *testing.T
	judge *judge
	nodes []*server
	db    string // that they share

	mu    sync.Mutex
	acked map[string]string
}

func startCluster(t *testing.T, n int, args ...string) *cluster {
	t.Helper()
	p, db := sendoff(t), postgres(t)
	c := &cluster{t: t, judge: startJudge(t), acked: map[string]string{}, db: db}
	for range n {
		s := newServer(t, p, db)
		s.args = append(s.args, args...)
		s.start()
		c.nodes = append(c.nodes, s)
	}
	return c
}

// submit spreads tasks over the nodes and returns their ids in order.
func (c *cluster) submit(prefix string, n int, script string, more ...map[string]any) []string {
	c.t.Helper()
	return c.submitEach(prefix, n, func(key string) submission { return c.judge.task(key, script, more...) })
}

// submitEach submits what task makes of the producer's keys.
func (c *cluster) submitEach(prefix string, n int, task func(key string) submission) []string {
	c.t.Helper()
	ids := make([]string, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			sub := task(fmt.Sprintf("%s%05d", prefix, i))
			ids[i], errs[i] = submit(c.t.Context(), sub, c.nodes[i%len(c.nodes):]...)
			c.mu.Lock()
			c.acked[sub.key] = ids[i]
			c.mu.Unlock()
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(c.t, err)
	}
	return ids
}

// underWay waits until each of the tasks was delivered once and returns, by pid,
// the ones each process has under way.
func (c *cluster) underWay(ids []string) map[int][]string {
	c.t.Helper()
	var ds map[string][]*auditor.Delivery
	waitFor(c.t, 20*time.Second, "each task is under way", func() bool {
		ds = c.judge.deliveries(c.t)
		return !slices.ContainsFunc(ids, func(id string) bool { return len(ds[id]) == 0 })
	})
	byPID := map[int][]string{}
	for _, id := range ids {
		byPID[ds[id][0].PID] = append(byPID[ds[id][0].PID], id)
	}
	return byPID
}

// busiest returns the index of the node with the most tasks, and the tasks.
func (c *cluster) busiest(byPID map[int][]string) (int, []string) {
	c.t.Helper()
	best := 0
	for i, s := range c.nodes {
		if len(byPID[s.pid()]) > len(byPID[c.nodes[best].pid()]) {
			best = i
		}
	}
	ids := byPID[c.nodes[best].pid()]
	require.NotEmpty(c.t, ids, "the auditor knows who delivers")
	return best, ids
}

// secondStarts returns how long after at each task was delivered again, by
// another process than pid.
func (c *cluster) secondStarts(ids []string, pid int, at time.Time, within time.Duration) []time.Duration {
	c.t.Helper()
	var after []time.Duration
	waitFor(c.t, within+10*time.Second, "every task is delivered again", func() bool {
		ds := c.judge.deliveries(c.t)
		after = after[:0]
		for _, id := range ids {
			for _, d := range ds[id] {
				if d.At.After(at) && d.PID != pid {
					after = append(after, d.At.Sub(at))
					break
				}
			}
		}
		return len(after) == len(ids)
	})
	slices.Sort(after)
	return after
}

func (c *cluster) check(alive *server, faults ...auditor.Fault) auditor.Report {
	c.t.Helper()
	final := alive.drain(2 * time.Minute)
	r := auditor.Check(auditor.History{
		Acknowledged: c.acked,
		Log:          c.judge.events(c.t),
		Faults:       faults,
		Final:        final,
		Slack:        noticed,
	})
	c.t.Log(r)
	require.True(c.t, r.OK(), r.String())
	return r
}

// TestNodesShare: three nodes over one database share the work, and no task
// runs twice without a fault (I7).
func TestNodesShare(t *testing.T) {
	c := startCluster(t, 3)
	ids := c.submit("k", heavy(600, 6000), "sleep=20ms")
	c.nodes[0].drain(time.Minute)
	byPID := c.underWay(ids)
	for _, s := range c.nodes {
		share := len(byPID[s.pid()])
		t.Logf("node %s delivered %d", s.addr, share)
		require.Greater(t, share, len(ids)/20, "a node got next to nothing")
	}
	require.Zero(t, c.check(c.nodes[0]).Duplicates)
}

// TestNodeKilled: the tasks that a killed node had under way start elsewhere
// soon (I9), and nothing is lost.
func TestNodeKilled(t *testing.T) {
	c := startCluster(t, 3)
	c.submit("k", heavy(300, 3000), "sleep=10ms")
	victim, orphans := c.busiest(c.underWay(c.submit("slow", 30, "sleep=20s&first=1")))
	pid := c.nodes[victim].pid()
	c.nodes[victim].kill()
	at := time.Now()
	c.nodes = slices.Delete(c.nodes, victim, victim+1)
	c.submit("after", 100, "")

	again := c.secondStarts(orphans, pid, at, noticed)
	t.Logf("%d tasks of the killed node started elsewhere after %v to %v", len(again), again[0], again[len(again)-1])
	require.LessOrEqual(t, again[len(again)-1], noticed)
	c.check(c.nodes[0], auditor.Fault{At: at, PID: pid})
}

// TestNodePaused: a node that was stopped past its lease settles nothing when
// it goes on (I5), be it a failure or a success. Some of its attempts were told to
// fail for good, and their tasks have succeeded elsewhere meanwhile; others were
// told that they succeeded, while the attempts that took their place run on, to
// fail in the end.
func TestNodePaused(t *testing.T) {
	c := startCluster(t, 3)
	dir := t.TempDir()
	late, end := filepath.Join(dir, "late"), filepath.Join(dir, "end")
	fails := c.submit("fails", 30, "sleep=4s&status=500&final=1&first=1")
	script := "until=" + url.QueryEscape(late) + "&first=1&then=" + url.QueryEscape("status=500&final=1&until="+url.QueryEscape(end))
	succeeds := slices.Concat(c.submit("succeeds", 15, script), c.submit("answers nothing", 15, "status=204&"+script))
	victim, ids := c.busiest(c.underWay(slices.Concat(fails, succeeds)))
	mine := func(id string) bool { return !slices.Contains(ids, id) }
	fails, succeeds = slices.DeleteFunc(fails, mine), slices.DeleteFunc(succeeds, mine)
	paused := c.stopNode(victim, ids)
	waitFor(t, time.Minute, "the second attempts have succeeded", func() bool { return c.all(fails, "succeeded") })
	require.NoError(t, os.WriteFile(late, nil, 0o600))
	waitFor(t, time.Minute, "the stopped node has its answers", func() bool {
		ds := c.judge.deliveries(t)
		return !slices.ContainsFunc(ids, func(id string) bool { return ds[id][0].Answered.IsZero() })
	})

	paused.signal(syscall.SIGCONT)
	waitFor(t, 20*time.Second, "the late settles are refused and counted", func() bool {
		return paused.metric("sendoff_stale_settles_total") > 0
	})
	time.Sleep(2 * time.Second) // whatever else it wants to settle
	for _, id := range fails {
		require.Equal(t, "succeeded", c.task(id).State, "%s: the second attempt's result stands", id)
	}
	for _, id := range succeeds {
		require.Equal(t, "running", c.task(id).State, "%s: the second attempt is under way, and a success of the first was settled", id)
	}
	require.NoError(t, os.WriteFile(end, nil, 0o600))
	waitFor(t, time.Minute, "the second attempts have failed", func() bool { return c.all(succeeds, "failed") })
	for _, id := range ids {
		require.Len(t, c.judge.deliveries(t)[id], 2)
	}
	stale := paused.metric("sendoff_stale_settles_total")
	t.Logf("%v late settles of %d were refused", stale, len(ids))
	waitFor(t, 20*time.Second, "the node is back under a new lease", func() bool {
		code, _ := paused.get("/readyz", nil)
		return code == 200
	})
}

// stopNode stops a node (SIGSTOP), takes it out of the cluster, and waits until its tasks have
// started elsewhere.
func (c *cluster) stopNode(victim int, ids []string) *server {
	c.t.Helper()
	paused := c.nodes[victim]
	at := time.Now()
	paused.signal(syscall.SIGSTOP)
	c.nodes = slices.Delete(c.nodes, victim, victim+1)
	again := c.secondStarts(ids, paused.pid(), at, noticed)
	c.t.Logf("%d tasks of the stopped node started elsewhere after %v to %v", len(again), again[0], again[len(again)-1])
	require.Greater(c.t, again[0], lease/2, "a node is not given up while its lease may hold")
	return paused
}

// loseTwo kills the first node and stops the second one past its lease; both come back.
func (c *cluster) loseTwo() []auditor.Fault {
	c.t.Helper()
	killed, paused := c.nodes[0], c.nodes[1]
	faults := []auditor.Fault{{PID: killed.pid()}, {PID: paused.pid()}}
	killed.kill()
	faults[0].At = time.Now()
	paused.signal(syscall.SIGSTOP)
	faults[1].At = time.Now()
	time.Sleep(lease + 3*time.Second)
	paused.signal(syscall.SIGCONT)
	faults[1].Until = time.Now()
	killed.start()
	return faults
}

// all tells whether every one of the tasks is in a state.
func (c *cluster) all(ids []string, state string) bool {
	c.t.Helper()
	return !slices.ContainsFunc(ids, func(id string) bool { return c.task(id).State != state })
}

func (c *cluster) task(id string) (task taskJSON) {
	c.t.Helper()
	_, err := c.nodes[0].get("/v1/tasks/"+id, &task)
	require.NoError(c.t, err)
	return task
}

// TestNodeDrains: a rolling restart of every node under load loses nothing,
// repeats nothing and every node exits with 0.
func TestNodeDrains(t *testing.T) {
	c := startCluster(t, 3)
	for i, s := range c.nodes {
		c.submit(fmt.Sprintf("round%d-", i), 200, "sleep=300ms")
		s.signal(syscall.SIGTERM)
		at := time.Now()
		require.Equal(t, 0, s.end(grace+time.Second))
		t.Logf("node %d ended after %v", i, time.Since(at).Round(time.Millisecond))
		s.start()
	}
	require.Zero(t, c.check(c.nodes[0]).Duplicates, "attempts of 300 ms end within the grace period")
}

// grace is how long a server finishes what it has after SIGTERM, by default.
const grace = 30 * time.Second

// TestDrain: SIGTERM lets what is under way end, a second one does not wait,
// and what was not finished is handed back: it starts again at once, not when a
// lease has run out.
func TestDrain(t *testing.T) {
	j, s := startJudge(t), newServer(t, sendoff(t), filepath.Join(t.TempDir(), "sendoff.db"))
	c := &cluster{t: t, judge: j, nodes: []*server{s}, acked: map[string]string{}}
	s.start()
	c.underWay(c.submit("short", 20, "sleep=2s"))
	s.signal(syscall.SIGTERM)
	at := time.Now()
	require.Equal(t, 0, s.end(grace+time.Second))
	t.Logf("ended %v after SIGTERM", time.Since(at).Round(time.Millisecond))

	s.start()
	long := c.submit("long", 10, "sleep=60s&first=1")
	pid := s.pid()
	c.underWay(long)
	s.signal(syscall.SIGTERM)
	time.Sleep(500 * time.Millisecond)
	second := time.Now()
	s.signal(syscall.SIGTERM)
	s.end(5 * time.Second)
	t.Logf("ended %v after the second SIGTERM", time.Since(second).Round(time.Millisecond))
	s.start()
	again := c.secondStarts(long, pid, second, noticed)
	t.Logf("%d tasks handed back started again after %v to %v", len(again), again[0], again[len(again)-1])
	require.Less(t, again[len(again)-1], 5*time.Second)
	c.check(s, auditor.Fault{At: second, PID: pid})
}
