//go:build linux

package chaos_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// beWorker is a worker, as docs/workers.md has it, whose tasks call the auditor: their
// payload is its URL. An answer that asks for no other attempt is a failure for good.
func beWorker() error {
	channel := os.NewFile(3, "channel")
	frames, out := bufio.NewScanner(channel), json.NewEncoder(channel)
	frames.Buffer(nil, 16<<20)
	server, err := grandparent()
	if err != nil {
		return err
	}
	for frames.Scan() {
		var f struct {
			Type, ID, Payload string
			Attempt           int
			Token             int64
		}
		if err := json.Unmarshal(frames.Bytes(), &f); err != nil {
			return err
		}
		var answer map[string]any
		switch f.Type {
		case "hello":
			answer = map[string]any{"type": "ready", "v": 1, "pid": os.Getpid(), "lang": "chaos"}
		case "task":
			answer = visit(f.Payload, http.Header{
				"Sendoff-Task-Id": {f.ID}, "Sendoff-Attempt": {strconv.Itoa(f.Attempt)}, "Sendoff-Token": {strconv.FormatInt(f.Token, 10)},
				"Auditor-Server": {strconv.Itoa(server)},
			})
			answer["type"], answer["id"] = "done", f.ID
		case "stop":
			return nil
		default:
			continue
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return frames.Err()
}

// visit calls the auditor, whose tasks may take as long as they like.
func visit(url string, header http.Header) map[string]any {
	fault := func(what string, permanent bool) map[string]any {
		return map[string]any{"outcome": "error", "error": map[string]any{"message": what, "permanent": permanent}}
	}
	req, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		return fault(err.Error(), true)
	}
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fault(err.Error(), false)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return fault(res.Status, res.Header.Get("Sendoff-Retry") == "no")
	}
	return map[string]any{"outcome": "ok"}
}

// grandparent is the server: between it and a worker is the guardian.
func grandparent() (pid int, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", os.Getppid()))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return strconv.Atoi(string(fields[1]))
}

// withWorkers has each node of a cluster carry process tasks out.
func withWorkers(workers int) []string {
	return []string{
		"--process-worker", os.Args[0], "--process-env", roleEnv + "=worker", "--process-allow", "visit",
		"--process-min", strconv.Itoa(workers), "--process-max", strconv.Itoa(workers),
	}
}

// submitProcesses submits tasks that workers carry out.
func (c *cluster) submitProcesses(prefix string, n int, script string) []string {
	c.t.Helper()
	return c.submitEach(prefix, n, func(key string) submission {
		sub := c.judge.task(key, script)
		sub.body["process"], sub.body["payload"] = "visit.url", sub.body["url"]
		delete(sub.body, "url")
		return sub
	})
}

// TestProcessTasksSurviveLostNodes: of three nodes one is killed and one is stopped until
// it has lost its lease, while their workers are busy. No task is lost, and none runs
// twice that had no part in it.
func TestProcessTasksSurviveLostNodes(t *testing.T) {
	c := startCluster(t, 3, withWorkers(4)...)
	ids := c.submitProcesses("k", heavy(1500, 15_000), "sleep=20ms")
	waitFor(t, time.Minute, "the workers are busy", func() bool { return len(c.judge.deliveries(t)) > len(ids)/10 })
	faults := c.loseTwo()
	c.submitProcesses("after", 100, "")
	r := c.check(c.nodes[2], faults...)
	require.Positive(t, r.Duplicates, "nothing was under way when the nodes were lost: the test has shown nothing")
}

// TestProcessTasksOfAPausedNode: a node that was stopped past its lease settles nothing
// of what its workers, which ran on, have told it: their tasks have succeeded elsewhere.
func TestProcessTasksOfAPausedNode(t *testing.T) {
	c := startCluster(t, 3, withWorkers(4)...)
	late := filepath.Join(t.TempDir(), "late")
	// as many as one node has workers: it may get all of them
	ids := c.submitProcesses("fails", 4, "until="+url.QueryEscape(late)+"&status=500&final=1&first=1")
	victim, ids := c.busiest(c.underWay(ids))
	paused := c.stopNode(victim, ids)
	waitFor(t, time.Minute, "the second attempts have succeeded", func() bool { return c.all(ids, "succeeded") })
	require.NoError(t, os.WriteFile(late, nil, 0o600))
	waitFor(t, time.Minute, "the workers of the stopped node have their answers", func() bool {
		ds := c.judge.deliveries(t)
		return !slices.ContainsFunc(ids, func(id string) bool { return ds[id][0].Answered.IsZero() })
	})
	paused.signal(syscall.SIGCONT)
	waitFor(t, 20*time.Second, "the late settles are refused and counted", func() bool {
		return paused.metric("sendoff_stale_settles_total") > 0
	})
	waitFor(t, 20*time.Second, "the node is back under a new lease", func() bool {
		code, _ := paused.get("/readyz", nil)
		return code == 200
	})
	more := c.submitProcesses("after", 100, "sleep=10ms")
	waitFor(t, time.Minute, "what comes after is done", func() bool { return c.all(more, "succeeded") })
	require.True(t, c.all(ids, "succeeded"), "the second attempts' results stand")
	for _, id := range ids {
		require.Len(t, c.judge.deliveries(t)[id], 2)
	}
}
