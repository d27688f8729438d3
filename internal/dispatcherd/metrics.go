package dispatcherd

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// web serves the metrics.
type web struct {
	cfg    MetricsConfig
	server *http.Server
	over   chan struct{}

	connections, served, notFound, gone atomic.Int64
}

// serveMetrics begins to serve. A port that is taken is an error: who asked for metrics
// would miss them.
func (s *Service) serveMetrics(cfg MetricsConfig) (*web, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	w := &web{cfg: cfg, over: make(chan struct{})}
	w.server = &http.Server{
		Handler: s.metricsHandler(w), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				w.connections.Add(1)
			}
		},
	}
	go func() { defer close(w.over); _ = w.server.Serve(l) }() // ends when it is closed
	return w, nil
}

func (w *web) close() {
	_ = w.server.Close()
	<-w.over
}

func (w *web) status() object {
	return object{
		{"host", w.cfg.Host},
		{"port", w.cfg.Port},
		{"ready", true},
		{"http_server", object{
			{"connections_total", w.connections.Load()},
			{"metrics_requests_served", w.served.Load()},
			{"bad_requests", 0},
			{"internal_errors", 0},
			{"not_found_responses", w.notFound.Load()},
			{"client_disconnects", w.gone.Load()},
			{"request_timeouts", 0},
			{"is_running", true},
		}},
	}
}

func (s *Service) metricsHandler(w *web) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Connection", "close")
		if r.Method != http.MethodGet || r.URL.Path != "/metrics" && r.URL.Path != "/" {
			w.notFound.Add(1)
			http.Error(rw, "metrics are at /metrics", http.StatusNotFound)
			return
		}
		rw.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		if _, err := rw.Write(s.exposition()); err != nil {
			w.gone.Add(1)
			return
		}
		w.served.Add(1)
	})
}

// shownStates are those that a worker can have in dispatcherd's words.
var shownStates = []string{"error", "exited", "initialized", "ready", "retired", "spawned", "starting", "stopping"}

// exposition is what a scrape gets: the families of releases old and new.
func (s *Service) exposition() []byte {
	workers := s.pool.Workers()
	s.mu.Lock()
	received, controls := s.received, s.controls
	unrecorded, records := 0, s.record != nil
	if records {
		unrecorded = s.record.unkept
	}
	s.mu.Unlock()
	var b bytes.Buffer
	family := func(name, kind, help string) { fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	counter := func(name, help string, value int) {
		family(name, "counter", help)
		fmt.Fprintf(&b, "%s %d.0\n", name, value)
	}
	counter("dispatcher_messages_received_total", "Number of messages received by dispatchermain", received)
	counter("dispatcher_control_messages_count_total", "Number of control messages received.", controls)
	if records {
		counter("sendoff_unrecorded", "Tasks that were run from memory, while there was no database to record them in.", unrecorded)
	}
	counter("dispatcher_worker_count_total", "Number of workers running.", len(workers))
	family("dispatcher_worker_created_at", "gauge", "Creation time of worker")
	for i := range workers {
		fmt.Fprintf(&b, "dispatcher_worker_created_at{worker_index=\"%d\"} %g\n", workers[i].Number, workers[i].Started.Sub(s.began).Seconds())
	}
	family("dispatcher_worker_finished_count", "gauge", "Finished count of tasks by the worker")
	for i := range workers {
		fmt.Fprintf(&b, "dispatcher_worker_finished_count{worker_index=\"%d\"} %d.0\n", workers[i].Number, workers[i].Done)
	}
	family("dispatcher_worker_status", "gauge", "Status of worker.")
	for i := range workers {
		for _, state := range shownStates {
			value := 0
			if statusOf(&workers[i]) == state {
				value = 1
			}
			fmt.Fprintf(&b, "dispatcher_worker_status{dispatcher_worker_status=\"%s\",worker_index=\"%d\"} %d.0\n", state, workers[i].Number, value)
		}
	}
	return b.Bytes()
}
