package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Gates is what has happened at limits, orders and rules for duplicates, and what is left
// to do, as a scrape reports it.
type Gates struct {
	Events  map[GateEvent]int64 // since this process began
	Backlog Backlog
	Counted bool // Backlog is known
}

// GateEvent is what was decided of a task, at a gate of a kind.
type GateEvent struct{ Kind, Event string }

// Backlog is what is left to do, of all nodes. Each is counted to a bound.
type Backlog struct {
	InLine, Leavers, Todos   int64
	OldestLeaver, OldestTodo time.Duration
}

// WatchGates adds the counters of this node at gates and gauges of what is left to do, read
// at each scrape.
func (m *Metrics) WatchGates(read func() Gates) {
	gauge := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }
	m.Registry.MustRegister(&gateCollector{
		read:         read,
		events:       prometheus.NewDesc("sendoff_gate_events_total", "What this node has decided of tasks at limits, for their order and for duplicates.", []string{"kind", "event"}, nil),
		inLine:       gauge("sendoff_in_line", "Places in line at limits, for an order and for duplicates."),
		leavers:      gauge("sendoff_leavers", "Attempts that were canceled and have not stopped, and keep their places."),
		oldestLeaver: gauge("sendoff_oldest_leaver_seconds", "How long ago the first of them was canceled."),
		todos:        gauge("sendoff_todos", "Work that transactions have left to be done."),
		oldestTodo:   gauge("sendoff_oldest_todo_seconds", "How long the first of it has been due."),
	})
}

type gateCollector struct {
	read                                                     func() Gates
	events, inLine, leavers, oldestLeaver, todos, oldestTodo *prometheus.Desc
}

func (c *gateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.events, c.inLine, c.leavers, c.oldestLeaver, c.todos, c.oldestTodo} {
		ch <- d
	}
}

func (c *gateCollector) Collect(ch chan<- prometheus.Metric) {
	g := c.read()
	for of, n := range g.Events {
		ch <- prometheus.MustNewConstMetric(c.events, prometheus.CounterValue, float64(n), of.Kind, of.Event)
	}
	if !g.Counted {
		return
	}
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	gauge(c.inLine, float64(g.Backlog.InLine))
	gauge(c.leavers, float64(g.Backlog.Leavers))
	gauge(c.oldestLeaver, g.Backlog.OldestLeaver.Seconds())
	gauge(c.todos, float64(g.Backlog.Todos))
	gauge(c.oldestTodo, g.Backlog.OldestTodo.Seconds())
}
