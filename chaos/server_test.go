//go:build linux

package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server is one node: a process that is started, broken and started again on
// the same address.
type server struct {
	t       *testing.T
	program program
	addr    string
	args    []string
	log     *os.File
	cmd     *exec.Cmd
	ended   chan error
}

func newServer(t *testing.T, p program, db string) *server {
	t.Helper()
	s := &server{t: t, program: p, addr: freeAddr(t)}
	s.args = []string{"serve", "--db", db, "--listen", s.addr}
	log, err := os.Create(filepath.Join(t.TempDir(), "server.log"))
	require.NoError(t, err)
	s.log = log
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", s.addr, tail(log.Name(), 6000))
		}
		log.Close()
	})
	return s
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func tail(path string, n int) string {
	b, _ := os.ReadFile(path)
	return string(b[max(0, len(b)-n):])
}

// start runs the server and returns when it is ready.
func (s *server) start() {
	s.t.Helper()
	s.run(s.program.command(s.args...))
	s.waitReady()
}

func (s *server) run(cmd *exec.Cmd) {
	s.t.Helper()
	s.cmd, s.ended = cmd, make(chan error, 1)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	require.NoError(s.t, cmd.Start())
	go func(ended chan<- error) { ended <- cmd.Wait() }(s.ended)
}

func (s *server) waitReady() {
	s.t.Helper()
	waitFor(s.t, 30*time.Second, "the server is ready", func() bool {
		select {
		case err := <-s.ended:
			s.ended <- err
			s.t.Fatalf("the server ended while it started: %v\n%s", err, tail(s.log.Name(), 4000))
		default:
		}
		code, _ := s.get("/readyz", nil)
		return code == http.StatusOK
	})
}

// kill ends the process as kill -9 does and returns when it is gone.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

func (s *server) pid() int { return s.cmd.Process.Pid }

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(sig))
}

// end waits until the process ends by itself, and returns its exit code.
func (s *server) end(within time.Duration) int {
	s.t.Helper()
	select {
	case err := <-s.ended:
		s.cmd = nil
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		require.NoError(s.t, err)
		return 0
	case <-time.After(within):
		s.t.Fatalf("the server did not end within %v", within)
		return -1
	}
}

// client gives up soon: a server that is gone does not answer, and one that is
// stopped accepts and does not answer either.
var client = &http.Client{
	Timeout:   10 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 5 * time.Second},
}

func (s *server) get(path string, into any) (int, error) {
	return call(s.t.Context(), http.MethodGet, "http://"+s.addr+path, "", nil, into)
}

func call(ctx context.Context, method, url, key string, body, into any) (int, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, in)
	if err != nil {
		return 0, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, err
	}
	if res.StatusCode >= 300 {
		return res.StatusCode, fmt.Errorf("%s %s: %d: %.300s", method, url, res.StatusCode, b)
	}
	if text, ok := into.(*string); ok {
		*text = string(b)
		return res.StatusCode, nil
	}
	if into != nil {
		return res.StatusCode, json.Unmarshal(b, into)
	}
	return res.StatusCode, nil
}

// taskJSON is what the tests read of a task.
type taskJSON struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	Attempts int    `json:"attempts"`
}

// submission is what the tests submit.
type submission struct {
	key  string // Idempotency-Key, and the auditor's name for the task
	body map[string]any
}

// task returns a submission that the auditor treats as script says.
func (j *judge) task(key, script string, more ...map[string]any) submission {
	body := map[string]any{
		"url":     j.url + "/?key=" + url.QueryEscape(key) + "&" + script,
		"name":    key,
		"payload": map[string]string{"key": key},
		"retry":   map[string]any{"min_backoff": "100ms", "max_backoff": "1s"},
	}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	return submission{key: key, body: body}
}

// submit repeats a submission, as a careful client does, until one of the
// servers acknowledges it, and returns the id.
func submit(ctx context.Context, sub submission, servers ...*server) (string, error) {
	for i := 0; ; i++ {
		var got taskJSON
		s := servers[i%len(servers)]
		code, err := call(ctx, http.MethodPost, "http://"+s.addr+"/v1/tasks", sub.key, sub.body, &got)
		switch {
		case err == nil && (code == http.StatusCreated || code == http.StatusOK):
			return got.ID, nil
		case ctx.Err() != nil:
			return "", ctx.Err()
		case given(code):
			return "", err
		}
		time.Sleep(20 * time.Millisecond) // the server is down
	}
}

// read gets path, and again while the server answers 503: what struck the
// database is over for each of its sessions at a moment of its own.
func (s *server) read(path string, into any) error {
	for end := time.Now().Add(20 * time.Second); ; {
		code, err := s.get(path, into)
		if code != http.StatusServiceUnavailable || time.Now().After(end) {
			return err
		}
		time.Sleep(50 * time.Millisecond) // polls another process
	}
}

// list returns the tasks in a state, all of them for "".
func (s *server) list(state string, atMost int) []taskJSON {
	s.t.Helper()
	var all []taskJSON
	for cursor := ""; ; {
		var page struct {
			Items      []taskJSON `json:"items"`
			NextCursor string     `json:"next_cursor"`
		}
		q := url.Values{"limit": {"500"}}
		if state != "" {
			q.Set("state", state)
		}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		require.NoError(s.t, s.read("/v1/tasks?"+q.Encode(), &page))
		all = append(all, page.Items...)
		if page.NextCursor == "" || len(all) >= atMost {
			return all
		}
		cursor = page.NextCursor
	}
}

const everything = 1 << 30

// names returns what the producers call each task, by id.
func (s *server) names() map[string]string {
	s.t.Helper()
	names := map[string]string{}
	for _, task := range s.list("", everything) {
		names[task.ID] = task.Name
	}
	return names
}

// drain returns when every task has ended, with the state of each by id. Only a
// look at every task tells: while one state is asked for after the other, a task
// can slip from the one to the other.
func (s *server) drain(within time.Duration) map[string]string {
	s.t.Helper()
	var states map[string]string
	waitFor(s.t, within, "every task has ended", func() bool {
		for _, state := range []string{"scheduled", "ready", "running"} {
			if len(s.list(state, 1)) > 0 { // cheap, and nearly always right
				return false
			}
		}
		states = map[string]string{}
		unfinished := false
		for _, task := range s.list("", everything) {
			states[task.ID] = task.State
			unfinished = unfinished || !final(task.State)
		}
		return !unfinished
	})
	return states
}

func final(state string) bool {
	return state == "succeeded" || state == "failed" || state == "canceled"
}

// metric returns the sum of a metric over its labels.
func (s *server) metric(name string) float64 {
	s.t.Helper()
	var text string
	_, err := s.get("/metrics", &text)
	require.NoError(s.t, err)
	sum := 0.0
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || (rest[0] != ' ' && rest[0] != '{') {
			continue
		}
		var v float64
		fields := strings.Fields(line)
		fmt.Sscan(fields[len(fields)-1], &v)
		sum += v
	}
	return sum
}

func waitFor(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("after %v it is still not so: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond) // polls another process
	}
}
