//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/sendoff-dev/sendoff/dispatcherd"
)

// start starts a server of NATS; port -1 = one that is free.
func start(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS is not ready")
	}
	return s
}

// until waits for what another process does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is still not so: %s", what)
		}
	}
}

// TestTasksComeOverNATS, before and after its server was away, and questions are answered
// where a request of NATS waits, and where a client of dispatcherd does.
func TestTasksComeOverNATS(t *testing.T) {
	s := start(t, -1)
	url := s.ClientURL()
	port := s.Addr().(*net.TCPAddr).Port
	greeted := filepath.Join(t.TempDir(), "greeted")
	t.Setenv("GREETED", greeted)
	said := func(name string) bool {
		text, _ := os.ReadFile(greeted)
		return slices.Contains(strings.Split(string(text), "\n"), name)
	}
	file := filepath.Join(t.TempDir(), "tasks.db")
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		over <- serve(ctx, file, dispatcherd.Config{
			Settings: fmt.Appendf(nil, "version: 2\nservice: {main_kwargs: {node_id: n}}\nbrokers: {nats: {url: %q, subjects: [tasks]}}", url),
		})
	}()
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := func(command string) string {
		answer, err := conn.Request("tasks", fmt.Appendf(nil, `{"control":%q,"reply_to":"x"}`, command), time.Second)
		if err != nil {
			return ""
		}
		return string(answer.Data)
	}
	until(t, "the service answers", func() bool { return ask("alive") == `{"node_id": "n"}` })
	greet := func(name string) {
		if err := conn.Publish("tasks", fmt.Appendf(nil, `{"task":"jobs.greet","args":[%q]}`, name)); err != nil {
			t.Fatal(err)
		}
	}
	greet("one")
	until(t, "the task runs", func() bool { return said("one") })

	answers, err := conn.SubscribeSync("reply_to_1")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish("tasks", []byte(`{"control":"main","reply_to":"reply_to_1"}`)); err != nil {
		t.Fatal(err)
	}
	answer, err := answers.NextMsg(10 * time.Second)
	if err != nil || !strings.Contains(string(answer.Data), `"finished_count"`) {
		t.Fatalf("the answer is %v, %v", answer, err)
	}

	s.Shutdown()
	s.WaitForShutdown()
	start(t, port)
	until(t, "the service has come back", func() bool { return strings.Contains(ask("producers"), `"recycle_count": 1`) })
	greet("two")
	until(t, "the task runs after that", func() bool { return said("two") })
	cancel()
	if err := <-over; err != nil {
		t.Fatal(err)
	}
}
