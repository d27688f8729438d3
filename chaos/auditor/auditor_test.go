package auditor_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/auditor"
)

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deliveries")
	a, err := auditor.Open(path)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx, l) }()

	push := func(query string, attempt, token int) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://%s/?%s", l.Addr(), query), nil)
		require.NoError(t, err)
		req.Header.Set("Sendoff-Task-Id", "t1")
		req.Header.Set("Sendoff-Attempt", fmt.Sprint(attempt))
		req.Header.Set("Sendoff-Token", fmt.Sprint(token))
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		res.Body.Close()
		return res
	}
	res := push("key=k&status=503&first=1&final=1&sleep=10ms", 1, 7)
	require.Equal(t, 503, res.StatusCode)
	require.Equal(t, "no", res.Header.Get("Sendoff-Retry"))
	res = push("key=k&status=503&first=1", 2, 9)
	require.Equal(t, 200, res.StatusCode)
	res = push("key=k&first=1&then=status%3D418", 3, 10)
	require.Equal(t, 418, res.StatusCode)
	gate := filepath.Join(t.TempDir(), "gate")
	time.AfterFunc(50*time.Millisecond, func() { _ = os.WriteFile(gate, nil, 0o600) })
	push("key=k2&until="+gate, 1, 1)
	require.FileExists(t, gate)
	stop()
	require.NoError(t, <-ended)

	log, err := auditor.ReadLog(path)
	require.NoError(t, err)
	ds := auditor.Deliveries(log)["t1"]
	require.Len(t, ds, 4)
	require.Equal(t, []int{503, 200}, []int{ds[0].Status, ds[1].Status})
	require.Equal(t, []int64{7, 9}, []int64{ds[0].Token, ds[1].Token})
	require.Equal(t, []int{1, 2}, []int{ds[0].Attempt, ds[1].Attempt})
	require.GreaterOrEqual(t, ds[0].Answered.Sub(ds[0].At), 10*time.Millisecond)
	if runtime.GOOS == "linux" {
		require.Equal(t, os.Getpid(), ds[0].PID)
	}
}

// run builds histories of one task, in seconds from the start.
type run struct{ h auditor.History }

func newRun(faults ...float64) *run {
	r := &run{auditor.History{Acknowledged: map[string]string{"k1": "t1"}, Final: map[string]string{"t1": "succeeded"}}}
	for _, f := range faults {
		r.h.Faults = append(r.h.Faults, auditor.Fault{At: second(f)})
	}
	return r
}

func second(s float64) time.Time { return time.Unix(1e9, 0).Add(time.Duration(s * 1e9)) }

func (r *run) delivery(token int64, from, to float64, status int) *run {
	e := auditor.Event{Delivery: int64(len(r.h.Log) + 1), Task: "t1", Key: "k1", Token: token, At: second(from), PID: 4}
	r.h.Log = append(r.h.Log, e)
	e.Answer, e.At, e.Status = true, second(to), status
	r.h.Log = append(r.h.Log, e)
	return r
}

// of adds a delivery of another task, answered with 200.
func (r *run) of(id string, token int64, from, to float64) *run {
	r.delivery(token, from, to, 200)
	for i := range r.h.Log[len(r.h.Log)-2:] {
		r.h.Log[len(r.h.Log)-1-i].Task = id
	}
	return r
}

func (r *run) batch(keys ...string) *run {
	r.h.Batches = append(r.h.Batches, keys)
	return r
}

// unique adds a submission with the unique key that k1 has as well.
func (r *run) unique(key, id string) *run {
	r.h.Unique = map[string]string{"k1": "u", key: "u"}
	r.h.Acknowledged[key], r.h.Final[id] = id, "succeeded"
	return r
}

func (r *run) with(change func(*auditor.History)) *run {
	change(&r.h)
	return r
}

func TestCheck(t *testing.T) {
	type counts struct{ lost, unexpected, failed, duplicates, unexplained, fence, torn, keys int }
	for name, tt := range map[string]struct {
		run  *run
		want counts
	}{
		"delivered once":         {newRun().delivery(1, 0, 1, 200), counts{}},
		"retried":                {newRun().delivery(1, 0, 1, 500).delivery(2, 2, 3, 200), counts{}},
		"never delivered":        {newRun(), counts{lost: 1}},
		"only failed deliveries": {newRun().delivery(1, 0, 1, 500), counts{lost: 1}},
		"vanished": {newRun().delivery(1, 0, 1, 200).with(func(h *auditor.History) {
			delete(h.Final, "t1")
		}), counts{lost: 1}},
		"never ended": {newRun().delivery(1, 0, 1, 200).with(func(h *auditor.History) {
			h.Final["t1"] = "running"
		}), counts{lost: 1}},
		"ended as failed": {newRun().delivery(1, 0, 1, 200).with(func(h *auditor.History) {
			h.Final["t1"] = "failed"
		}), counts{failed: 1}},
		"never submitted": {newRun().delivery(1, 0, 1, 200).with(func(h *auditor.History) {
			h.Acknowledged = nil
		}), counts{unexpected: 1}},
		"two tasks for one key": {newRun().delivery(1, 0, 1, 200).with(func(h *auditor.History) {
			h.Final["t2"] = "ready"
		}), counts{unexpected: 1}},
		"killed before the settle":         {newRun(1.1).delivery(1, 0, 1, 200).delivery(2, 9, 10, 200), counts{duplicates: 1}},
		"killed during the delivery":       {newRun(0.5).delivery(1, 0, 1, 200).delivery(2, 9, 10, 200), counts{duplicates: 1}},
		"killed before the first delivery": {newRun(-1).delivery(1, 0, 1, 200).delivery(2, 9, 10, 200), counts{duplicates: 1, unexplained: 1}},
		"killed after the second delivery": {newRun(9.5).delivery(1, 0, 1, 200).delivery(2, 9, 10, 200), counts{duplicates: 1, unexplained: 1}},
		"killed long after the answer":     {newRun(8).delivery(1, 0, 1, 200).delivery(2, 9, 10, 200), counts{duplicates: 1, unexplained: 1}},
		"noted after the sender's death": {newRun(-1).delivery(1, 0, 1, 200).delivery(2, 9, 10, 200).with(func(h *auditor.History) {
			h.Faults[0].PID = 4
		}), counts{duplicates: 1}},
		"noted after the next delivery": {newRun(1).delivery(2, 1.5, 2, 200).delivery(1, 1.6, 1.7, 200).with(func(h *auditor.History) {
			h.Faults[0].PID, h.Log[2].PID, h.Log[3].PID = 5, 5, 5
		}), counts{duplicates: 1}},
		"noted after the next answer": {newRun(1).delivery(2, 1.5, 1.6, 200).delivery(1, 1.7, 1.8, 200).with(func(h *auditor.History) {
			h.Faults[0].PID, h.Log[2].PID, h.Log[3].PID = 5, 0, 0
		}), counts{duplicates: 1}},
		"noted after the sender went on, and hung up": {newRun(1).delivery(2, 12, 12.1, 200).delivery(1, 14.1, 14.2, 200).with(func(h *auditor.History) {
			h.Faults[0].PID, h.Faults[0].Until, h.Log[2].PID, h.Log[3].PID = 5, second(14), 0, 0
		}), counts{duplicates: 1}},
		"old token long after all went on": {newRun(1).delivery(2, 12, 12.1, 200).delivery(1, 24.1, 24.2, 200).with(func(h *auditor.History) {
			h.Faults[0].PID, h.Faults[0].Until, h.Log[2].PID, h.Log[3].PID = 5, second(14), 0, 0
		}), counts{duplicates: 1, unexplained: 1, fence: 1}},
		"old token from a living process": {newRun(1).delivery(2, 1.5, 1.6, 200).delivery(1, 1.7, 1.8, 200).with(func(h *auditor.History) {
			h.Faults[0].PID = 5
		}), counts{duplicates: 1, unexplained: 1, fence: 1}},
		"another process killed": {newRun(1.1).delivery(1, 0, 1, 200).delivery(2, 9, 10, 200).with(func(h *auditor.History) {
			h.Faults[0].PID = 5
		}), counts{duplicates: 1, unexplained: 1}},
		"one kill explains one":     {newRun(1.1).delivery(1, 0, 1, 200).delivery(2, 2, 3, 200).delivery(3, 9, 10, 200), counts{duplicates: 2, unexplained: 1}},
		"overlap without a fault":   {newRun().delivery(1, 0, 5, 500).delivery(2, 2, 3, 200), counts{duplicates: 1, unexplained: 1}},
		"same token again":          {newRun(1.1).delivery(1, 0, 1, 200).delivery(1, 9, 10, 200), counts{duplicates: 1, fence: 1}},
		"token went back":           {newRun().delivery(2, 0, 1, 500).delivery(1, 9, 10, 200), counts{fence: 1}},
		"overlapping, out of order": {newRun(-0.1).delivery(2, 0, 5, 200).delivery(1, 0.1, 2, 200), counts{duplicates: 1}},
		"a batch in part": {newRun().delivery(1, 0, 1, 200).batch("k1", "k2").with(func(h *auditor.History) {
			h.Names = map[string]string{"t1": "k1"}
		}), counts{torn: 1}},
		"a batch that was not acknowledged and does not exist": {newRun().delivery(1, 0, 1, 200).batch("k2", "k3"), counts{}},
		"a batch that was not acknowledged and exists": {newRun().delivery(1, 0, 1, 200).batch("k1").with(func(h *auditor.History) {
			h.Acknowledged, h.Names = nil, map[string]string{"t1": "k1"}
		}), counts{}},
		"a batch that was not acknowledged and is lost": {newRun().batch("k1").with(func(h *auditor.History) {
			h.Acknowledged, h.Names = nil, map[string]string{"t1": "k1"}
		}), counts{lost: 1}},
		"a batch that was not acknowledged and exists twice": {newRun().delivery(1, 0, 1, 200).batch("k1").with(func(h *auditor.History) {
			h.Acknowledged, h.Names, h.Final["t2"] = nil, map[string]string{"t1": "k1", "t2": "k1"}, "succeeded"
		}), counts{unexpected: 1}},
		"sent again": {newRun().delivery(1, 0, 1, 200).with(func(h *auditor.History) {
			h.Again = map[string]string{"k1": "t1"}
		}), counts{}},
		"sent again, and answered with another task": {newRun().delivery(1, 0, 1, 200).with(func(h *auditor.History) {
			h.Again = map[string]string{"k1": "t2"}
		}), counts{keys: 1}},
		"two submissions answered with one task": {newRun().delivery(1, 0, 1, 200).with(func(h *auditor.History) {
			h.Acknowledged["k2"] = "t1"
		}), counts{keys: 1}},
		"two submissions with one unique key": {newRun().delivery(1, 0, 1, 200).unique("k2", "t1"), counts{}},
		"one after the other":                 {newRun().delivery(1, 0, 1, 200).unique("k2", "t2").of("t2", 1, 2, 3), counts{}},
		"beside the other":                    {newRun().delivery(1, 0, 3, 200).unique("k2", "t2").of("t2", 1, 2, 4), counts{keys: 1}},
		"before the other was retried":        {newRun().delivery(1, 0, 1, 500).delivery(2, 5, 6, 200).unique("k2", "t2").of("t2", 1, 2, 3), counts{keys: 1}},
		"retry with the token again":          {newRun().delivery(1, 0, 1, 500).delivery(1, 2, 3, 200), counts{fence: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := auditor.Check(tt.run.h)
			require.Equal(t, tt.want, counts{len(r.Lost), len(r.Unexpected), len(r.Failed), r.Duplicates, len(r.Unexplained), len(r.Fence), len(r.Torn), len(r.Keys)}, r.String())
			tt.want.duplicates = 0
			require.Equal(t, tt.want == counts{}, r.OK())
		})
	}
}

func TestCheckKnowsWhoHungUp(t *testing.T) {
	hungUp := func(h *auditor.History) {
		for i := range h.Log[:2] {
			h.Log[i].Gone = h.Log[i].Answer
		}
	}
	again := newRun().delivery(1, 0, 1, 200).delivery(2, 2, 3, 200).with(hungUp)
	require.Len(t, auditor.Check(again.h).Unexplained, 1)
	once := newRun().delivery(1, 0, 1, 200).with(hungUp)
	require.Len(t, auditor.Check(once.h).Lost, 1)
}
