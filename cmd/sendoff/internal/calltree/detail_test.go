package calltree

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

func TestACallIsShownWithItsRoundTrips(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	failure := &sendoff.FunctionError{Type: "ValueError", Message: "no\x1b[31m", Traceback: "Traceback:\n  line 1\n"}
	task := &sendoff.Task{
		ID: "7", Function: "fetch", Endpoint: "http://127.0.0.1:8000", ParentID: "6", State: sendoff.StateFailed, Reason: "rejected",
		CreatedAt: noon, FinishedAt: noon.Add(time.Second), Payload: json.RawMessage(`{"page":1}`), Error: failure,
	}
	attempts := []*sendoff.Attempt{
		{Number: 1, StartedAt: noon, Duration: 3 * time.Millisecond, Outcome: "suspend", Status: 200,
			Headers: map[string]string{"Status": "OK", "Calls": "3", "State-Bytes": "2048", "Wait": "5m0s"}},
		{Number: 1, StartedAt: noon.Add(100 * time.Millisecond), Duration: time.Millisecond, Outcome: "failure", Error: "connection refused",
			Headers: map[string]string{"Status": "TCP_ERROR", "Results": "3"}},
		{Number: 2, StartedAt: noon.Add(time.Second), Duration: time.Millisecond, Outcome: "reject", Status: 200,
			Headers: map[string]string{"Status": "PERMANENT_ERROR"}, Failure: failure},
		{Number: 3, StartedAt: noon.Add(time.Second), Outcome: "running"},
	}
	lines := append(describe(task), timeline(attempts, task.Error)...)
	golden(t, "call", strings.Join(lines, "\n")+"\n")
	require.NotContains(t, strings.Join(lines, ""), "\x1b")
	require.Contains(t, timeline(nil, nil), "none yet")
}
