package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sendoff-dev/sendoff/task"
)

// Hosts counts what is held back from the endpoints of a kind of task.
type Hosts struct {
	m      *Metrics
	kind   string
	putOff prometheus.Counter
}

// Hosts returns the counters of a kind.
func (m *Metrics) Hosts(kind task.Kind) Hosts {
	return Hosts{m, kind.String(), m.putOff.WithLabelValues(kind.String())}
}

// Slowed counts that an endpoint gets half as many attempts at a time.
func (h Hosts) Slowed(why string) { h.m.cuts.WithLabelValues(h.kind, why).Inc() }

// Paused counts that an endpoint is left alone.
func (h Hosts) Paused(why string) { h.m.pauses.WithLabelValues(h.kind, why).Inc() }

// PutOff counts a task that was put off without an attempt.
func (h Hosts) PutOff() { h.putOff.Inc() }

// Called is how many endpoints of a kind are treated alike, as a scrape reports it.
type Called struct {
	Kind  task.Kind
	State string
}

// WatchHosts adds a gauge of the endpoints that this node calls, read at each scrape.
func (m *Metrics) WatchHosts(read func() map[Called]int) {
	m.Registry.MustRegister(&hostCollector{
		read, prometheus.NewDesc("sendoff_endpoints", "Endpoints that this node has called lately, by how they are treated.", []string{"kind", "state"}, nil),
	})
}

type hostCollector struct {
	read      func() map[Called]int
	endpoints *prometheus.Desc
}

func (c *hostCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.endpoints }

func (c *hostCollector) Collect(ch chan<- prometheus.Metric) {
	for of, n := range c.read() {
		ch <- prometheus.MustNewConstMetric(c.endpoints, prometheus.GaugeValue, float64(n), of.Kind.String(), of.State)
	}
}
