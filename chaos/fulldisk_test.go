//go:build linux

package chaos_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// TestFullDisk covers T7: a disk that something else fills up, several times. What
// was acknowledged is there afterwards, whoever submits is told of the disk, what
// was under way ends once, and nobody restarts anything.
func TestFullDisk(t *testing.T) {
	skipShort(t)
	disk := testkit.SmallDisk(t, 16<<20)
	var calls atomic.Int64
	release := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		<-release
	}))
	defer app.Close()
	s := newServer(t, sendoff(t), filepath.Join(disk.Dir, "sendoff.db"))
	s.args = append(s.args, "--min-free", "0")
	s.start()
	under, err := submit(t.Context(), submission{body: map[string]any{"url": app.URL}}, s)
	require.NoError(t, err)
	waitFor(t, 10*time.Second, "the push is under way", func() bool { return calls.Load() == 1 })

	acked := map[string]bool{under: true}
	for cycle := range heavy(3, 50) {
		disk.Fill()
		refusal := submitUntilRefused(t, s, acked)
		require.Contains(t, refusal.Error(), `"disk_full"`)
		require.Contains(t, refusal.Error(), "the disk of the database is full")
		if cycle == 0 {
			close(release) // the push ends while its end cannot be written
		}
		code, err := s.get("/v1/tasks/"+under, nil)
		require.NoError(t, err, "reads go on")
		require.Equal(t, http.StatusOK, code)
		disk.Free()
		id, err := submit(t.Context(), later(), s)
		require.NoError(t, err)
		acked[id] = true
	}
	waitFor(t, 30*time.Second, "the push has ended", func() bool {
		var got taskJSON
		_, err := s.get("/v1/tasks/"+under, &got)
		return err == nil && got.State == "succeeded"
	})
	require.EqualValues(t, 1, calls.Load(), "it was pushed again")
	there := map[string]bool{}
	for _, task := range s.list("", everything) {
		there[task.ID] = true
	}
	for id := range acked {
		require.True(t, there[id], "%s was acknowledged and is not there", id)
	}
	t.Logf("%d acknowledged, none lost", len(acked))
	s.kill()
	checkIntegrity(t, filepath.Join(disk.Dir, "sendoff.db"))
}

// TestLowDisk: with less room than --min-free submissions are refused, and health says so; what
// was accepted is carried out, and when there is room again nobody restarts anything.
func TestLowDisk(t *testing.T) {
	skipShort(t)
	disk := testkit.SmallDisk(t, 64<<20)
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer app.Close()
	defer letGo()
	s := newServer(t, sendoff(t), filepath.Join(disk.Dir, "sendoff.db"))
	s.args = append(s.args, "--min-free", "24MB")
	s.start()
	var accepted []string
	for range 20 {
		id, err := submit(t.Context(), submission{body: map[string]any{"url": app.URL}}, s)
		require.NoError(t, err)
		accepted = append(accepted, id)
	}
	disk.Leave(20 << 20)
	var refusal error
	waitFor(t, 10*time.Second, "submissions are refused", func() bool {
		_, refusal = call(t.Context(), http.MethodPost, "http://"+s.addr+"/v1/tasks", "", later().body, &taskJSON{})
		return refusal != nil
	})
	require.Contains(t, refusal.Error(), `"disk_full"`)
	require.Contains(t, diskCheck(t, s), "fail")
	letGo()
	for _, id := range accepted {
		waitFor(t, 30*time.Second, "what was accepted has ended", func() bool {
			var got taskJSON
			_, err := s.get("/v1/tasks/"+id, &got)
			return err == nil && got.State == "succeeded"
		})
	}
	disk.Free()
	waitFor(t, 10*time.Second, "submissions are taken again", func() bool {
		_, err := call(t.Context(), http.MethodPost, "http://"+s.addr+"/v1/tasks", "", later().body, &taskJSON{})
		return err == nil
	})
}

// diskCheck is what health says of the disk.
func diskCheck(t *testing.T, s *server) string {
	t.Helper()
	var health struct {
		Checks []struct{ Name, Status, Detail string }
	}
	resp, err := http.Get("http://" + s.addr + "/v1/health")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, "a check fails")
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&health))
	for _, c := range health.Checks {
		if c.Name == "disk" {
			return c.Status + ": " + c.Detail
		}
	}
	return fmt.Sprintf("there is no such check among %v", health.Checks)
}

// later is a task that waits, and takes room.
func later() submission {
	return submission{body: map[string]any{"url": "http://127.0.0.1:9/", "delay": "1h", "payload": strings.Repeat("x", 10_000)}}
}

// submitUntilRefused returns the first refusal; what the log of the database still
// has room for is taken.
func submitUntilRefused(t *testing.T, s *server, acked map[string]bool) error {
	t.Helper()
	for range 10_000 {
		var got taskJSON
		code, err := call(t.Context(), http.MethodPost, "http://"+s.addr+"/v1/tasks", "", later().body, &got)
		if err != nil {
			require.Equal(t, http.StatusServiceUnavailable, code, err)
			return err
		}
		acked[got.ID] = true
	}
	return fmt.Errorf("the disk is full and everything is taken")
}
