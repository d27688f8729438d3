//go:build linux

package chaos_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/auditor"
)

// keyed is tasks that share a limit or an order, and how many of them may be under way.
type keyed struct {
	ids     []string
	most    int
	ordered bool
}

// keys submits tasks under limits of one and of five at a time, and in order: those one by
// one, so that their order is known. Of some the first attempts fail: not of so many that
// the host is left alone.
func (c *cluster) keys(each int) map[string]*keyed {
	c.t.Helper()
	c.verb("keys", "pause")
	defer c.verb("keys", "resume") // all of them wait by then
	all := map[string]*keyed{}
	for k := range 6 {
		key, most := fmt.Sprintf("limit-%d", k), 1+4*(k%2)
		limit := map[string]any{"queue": "keys", "limits": []any{map[string]any{"key": key, "concurrency": most}}}
		fail := c.submit(key+"-fails-", each*most/8, "first=1&status=500&then=sleep%3D20ms", limit)
		all[key] = &keyed{most: most, ids: append(fail, c.submit(key+"-", each*most-len(fail), "sleep=20ms", limit)...)}
	}
	for k := range 6 {
		key := fmt.Sprintf("order-%d", k)
		one := &keyed{most: 1, ordered: true}
		for i := range each {
			script := "sleep=20ms"
			if i%8 == 5 {
				script = "first=2&status=500&then=sleep%3D20ms"
			}
			one.ids = append(one.ids, c.submit(fmt.Sprintf("%s-%03d-", key, i), 1, script, map[string]any{"queue": "keys", "order_key": key})...)
		}
		all[key] = one
	}
	return all
}

// inOrder submits tasks in the order of their keys, a batch for each step that all keys make
// together. Of every tenth task, at random, the first attempts fail.
func (c *cluster) inOrder(keys, each int) map[string]*keyed {
	c.t.Helper()
	all := map[string]*keyed{}
	for step := range each {
		var bodies []map[string]any
		for k := range keys {
			script := ""
			if rand.IntN(10) == 0 {
				script = fmt.Sprintf("status=500&first=%d", 1+rand.IntN(2))
			}
			key := fmt.Sprintf("order-%d", k)
			bodies = append(bodies, c.judge.task(fmt.Sprintf("%s-%d", key, step), script, map[string]any{"order_key": key}).body)
		}
		ids, err := submitBatch(c.t.Context(), fmt.Sprintf("step-%d", step), bodies, false, c.nodes[step%len(c.nodes):]...)
		require.NoError(c.t, err)
		for k, id := range ids {
			key := fmt.Sprintf("order-%d", k)
			if all[key] == nil {
				all[key] = &keyed{most: 1, ordered: true}
			}
			all[key].ids = append(all[key].ids, id)
			c.acked[fmt.Sprintf("%s-%d", key, step)] = id
		}
	}
	return all
}

// verb pauses or resumes a queue.
func (c *cluster) verb(queue, verb string) {
	c.t.Helper()
	url := "http://" + c.nodes[0].addr + "/v1/queues/" + queue
	code, err := call(c.t.Context(), http.MethodPut, url, "", map[string]any{}, nil)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, code)
	code, err = call(c.t.Context(), http.MethodPost, url+"/"+verb, "", nil, nil)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, code)
}

// judgeKeys asserts that no key had more under way than it may, and that what is ordered
// began when the one before it had been done.
func (c *cluster) judgeKeys(all map[string]*keyed, faults ...auditor.Fault) {
	c.t.Helper()
	ds := c.judge.deliveries(c.t)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		k := all[key]
		require.LessOrEqual(c.t, overlaps(ds, k.ids, faults...), k.most, key)
		if !k.ordered {
			continue
		}
		for i, id := range k.ids[1:] {
			before, begun := ds[k.ids[i]], ds[id][0].At
			done := slices.IndexFunc(before, func(d *auditor.Delivery) bool { return d.Status == 200 && d.Answered.Before(begun) })
			require.GreaterOrEqual(c.t, done, 0, "%s: %s began before %s was done", key, id, k.ids[i])
		}
	}
}

// recount asserts that nobody is at a gate when everything has ended.
func recount(t *testing.T, dsn string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var inside, lines, leavers int
	require.NoError(t, conn.QueryRow(t.Context(), `select (select coalesce(sum(inside + waiting), 0) from sendoff.gate)::int,
		(select count(*) from sendoff.line)::int, (select count(*) from sendoff.leaver)::int`).Scan(&inside, &lines, &leavers))
	require.Equal(t, []int{0, 0, 0}, []int{inside, lines, leavers})
}

// TestKeysHoldWhenNodesAreLost: three nodes over one database, one killed, one stopped
// until it has lost its lease, one told to end. What a process that a fault has hit was
// still busy with is not counted: nobody but the auditor knows of it.
func TestKeysHoldWhenNodesAreLost(t *testing.T) {
	c := startCluster(t, 3)
	all := c.keys(heavy(16, 150))
	total := 0
	for _, k := range all {
		total += len(k.ids)
	}
	delivered := func() int { return len(c.judge.deliveries(t)) }
	waitFor(t, time.Minute, "they are under way", func() bool { return delivered() > total/10 })
	killed, paused, told := c.nodes[0], c.nodes[1], c.nodes[2]
	faults := []auditor.Fault{{PID: killed.pid()}, {PID: paused.pid()}}
	killed.kill()
	faults[0].At = time.Now()
	killed.start()
	paused.signal(syscall.SIGSTOP)
	faults[1].At = time.Now()
	told.signal(syscall.SIGTERM)
	require.Equal(t, 0, told.end(grace+time.Second))
	told.start()
	time.Sleep(lease + 3*time.Second)
	paused.signal(syscall.SIGCONT)
	faults[1].Until = time.Now()
	r := c.check(killed, faults...)
	require.True(t, r.OK())
	c.judgeKeys(all, faults...)
	recount(t, c.db)
}

// TestKeysKeepTheirOrderWhileTasksFail: three nodes over one database, one of which is killed.
func TestKeysKeepTheirOrderWhileTasksFail(t *testing.T) {
	c := startCluster(t, 3)
	keys, each := heavy(100, 1000), heavy(10, 50)
	began := time.Now()
	all := c.inOrder(keys, each)
	t.Logf("%d tasks of %d keys in %v", keys*each, keys, time.Since(began).Round(time.Second))
	waitFor(t, time.Minute, "they are under way", func() bool { return len(c.judge.deliveries(t)) > keys*each/10 })
	killed := c.nodes[0]
	faults := []auditor.Fault{{PID: killed.pid()}}
	killed.kill()
	faults[0].At = time.Now()
	killed.start()
	c.nodes[1].drain(10 * time.Minute)
	t.Logf("done after %v", time.Since(began).Round(time.Second))
	c.check(c.nodes[1], faults...)
	c.judgeKeys(all, faults...)
	recount(t, c.db)
}

// TestKeysHoldWhenTheServerIsKilled, over SQLite: there is nobody else meanwhile.
func TestKeysHoldWhenTheServerIsKilled(t *testing.T) {
	c := &cluster{t: t, judge: startJudge(t), acked: map[string]string{}}
	s := newServer(t, sendoff(t), filepath.Join(t.TempDir(), "sendoff.db"))
	s.start()
	c.nodes = append(c.nodes, s)
	all := c.keys(heavy(16, 100))
	var faults []auditor.Fault
	for i := range 3 {
		waitFor(t, time.Minute, "more are under way", func() bool { return len(c.judge.deliveries(t)) > 40*(i+1) })
		pid := s.pid()
		s.kill()
		faults = append(faults, auditor.Fault{PID: pid, At: time.Now()})
		s.start()
	}
	c.check(s, faults...)
	c.judgeKeys(all, faults...)
}
