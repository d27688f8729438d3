package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/telemetry"
)

// Metrics counts what an engine does: what GET /metrics of its Handler shows. One
// engine has one Metrics. Safe for concurrent use.
type Metrics struct{ meters *telemetry.Metrics }

// NewMetrics returns instruments with a registry of their own.
func NewMetrics() *Metrics { return &Metrics{telemetry.New()} }

// Commit notes a transaction that wrote to the database: give it to a store as its
// OnCommit.
func (m *Metrics) Commit(rows int, took time.Duration) { m.meters.Commit(rows, took) }

// Registry is where the instruments are, to be gathered with those of your program.
func (m *Metrics) Registry() *prometheus.Registry { return m.meters.Registry }

func depths(stats []operate.QueueStats) []telemetry.Depth {
	var out []telemetry.Depth
	for _, s := range stats {
		out = append(out,
			telemetry.Depth{Queue: s.Queue, State: "ready", Tasks: s.Ready, Oldest: s.OldestReady},
			telemetry.Depth{Queue: s.Queue, State: "scheduled", Tasks: s.Scheduled},
			telemetry.Depth{Queue: s.Queue, State: "running", Tasks: s.Running},
			telemetry.Depth{Queue: s.Queue, State: "suspended", Tasks: s.Suspended},
			telemetry.Depth{Queue: s.Queue, State: "blocked", Tasks: s.Blocked},
			telemetry.Depth{Queue: s.Queue, State: "failed", Tasks: s.Failed})
	}
	return out
}

// gatesSeen is what has happened at gates, and what is left to do, for those who watch it.
func (e *Engine) gatesSeen() telemetry.Gates {
	g := telemetry.Gates{Events: map[telemetry.GateEvent]int64{}}
	e.gates.Events(func(kind, event string, n int64) { g.Events[telemetry.GateEvent{Kind: kind, Event: event}] = n })
	b, counted := e.gates.Backlog(2 * time.Second)
	g.Backlog, g.Counted = telemetry.Backlog(b), counted
	return g
}

// seriesConfig is that of what is counted by the minute. Those that do the work of time look
// how much waits.
func (e *Engine) seriesConfig() operate.SeriesConfig {
	cfg := operate.SeriesConfig{Store: e.store, Lanes: e.catalog, Node: accept.NewID(), Shared: e.shared, Log: e.cfg.Log}
	if e.has(Schedule) {
		cfg.Depths = e.queues.Depths
	}
	return cfg
}
