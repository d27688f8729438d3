// Package telemetry names what Sendoff counts. Rooms declare the few methods
// they need as their Meter; only this package knows Prometheus. Labels come from small closed
// sets (outcomes, reasons, queues up to their bound), never from ids.
package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sendoff-dev/sendoff/task"
)

// Metrics holds the instruments of one engine. Safe for concurrent use.
type Metrics struct {
	Registry *prometheus.Registry

	accepted    prometheus.Counter
	claimed     *prometheus.CounterVec
	settled     *prometheus.CounterVec
	stale       prometheus.Counter
	rescued     prometheus.Counter
	promoted    prometheus.Counter
	nodesLost   prometheus.Counter
	commit      prometheus.Histogram
	batch       prometheus.Histogram
	attempt     prometheus.Histogram
	wait        prometheus.Histogram
	leaseMargin prometheus.Gauge
	cuts        *prometheus.CounterVec
	pauses      *prometheus.CounterVec
	putOff      *prometheus.CounterVec
	fires       *prometheus.CounterVec
	lateness    prometheus.Histogram
}

// New returns instruments in a registry of their own.
func New() *Metrics {
	m := &Metrics{
		Registry:    prometheus.NewRegistry(),
		accepted:    counter("sendoff_accepted_total", "Tasks accepted: on disk before the answer."),
		claimed:     counters("sendoff_claimed_total", "Tasks claimed by this node.", "executor"),
		settled:     counters("sendoff_settled_total", "Attempts settled by this node.", "outcome", "state"),
		stale:       counter("sendoff_stale_settles_total", "Settles refused because the attempt had lost its lease."),
		rescued:     counter("sendoff_rescued_total", "Tasks taken back from lost nodes and forgotten claims."),
		promoted:    counter("sendoff_promoted_total", "Scheduled tasks that became ready."),
		nodesLost:   counter("sendoff_leases_lost_total", "Times this node lost its lease and started anew."),
		commit:      histogram("sendoff_commit_seconds", "Time from the begin of a write transaction to its commit.", prometheus.ExponentialBuckets(0.0002, 2, 14)),
		batch:       histogram("sendoff_commit_rows", "Rows that shared a write transaction.", prometheus.ExponentialBuckets(1, 2, 13)),
		attempt:     histogram("sendoff_attempt_seconds", "Duration of attempts.", prometheus.ExponentialBuckets(0.001, 2, 17)),
		wait:        histogram("sendoff_wait_seconds", "Time from becoming ready to being claimed.", prometheus.ExponentialBuckets(0.001, 2, 20)),
		leaseMargin: prometheus.NewGauge(prometheus.GaugeOpts{Name: "sendoff_lease_margin_seconds", Help: "What was left of the lease at its last renewal."}),
		cuts:        counters("sendoff_host_cuts_total", "Times a host was given half as many attempts at a time, by why.", "kind", "why"),
		pauses:      counters("sendoff_host_pauses_total", "Times an endpoint was left alone after it had not been, by why.", "kind", "why"),
		putOff:      counters("sendoff_put_off_total", "Tasks put off without an attempt because their endpoint had no room or was left alone.", "kind"),
		fires:       counters("sendoff_schedule_fires_total", "Times of schedules that this node has dealt with, by what became of them.", "outcome"),
		lateness:    histogram("sendoff_schedule_lateness_seconds", "Time from when a schedule was due to when its task was on disk.", prometheus.ExponentialBuckets(0.001, 2, 20)),
	}
	m.begin()
	m.Registry.MustRegister(m.accepted, m.claimed, m.settled, m.stale, m.rescued, m.promoted, m.nodesLost, m.commit, m.batch,
		m.attempt, m.wait, m.leaseMargin, m.cuts, m.pauses, m.putOff, m.fires, m.lateness, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// begin shows what alerts are about from the start, as 0: nobody sees a counter rise that is
// not there before.
func (m *Metrics) begin() {
	for _, c := range []task.Class{task.Failure, task.Reject, task.Crash, task.Expire} {
		m.settled.WithLabelValues(c.String(), task.Failed.String())
	}
	for _, outcome := range []string{"fired", "skipped", "missed"} {
		m.fires.WithLabelValues(outcome)
	}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}

// Accepted counts tasks that were stored.
func (m *Metrics) Accepted(n int) { m.accepted.Add(float64(n)) }

// Fired counts a time of a schedule.
func (m *Metrics) Fired(outcome string, late time.Duration) {
	m.fires.WithLabelValues(outcome).Inc()
	if outcome == "fired" {
		m.lateness.Observe(late.Seconds())
	}
}

// Claimed returns the counter of an executor's claims.
func (m *Metrics) Claimed(executor string) func(n int) {
	c := m.claimed.WithLabelValues(executor)
	return func(n int) { c.Add(float64(n)) }
}

// Settled counts the end of an attempt and where it led.
func (m *Metrics) Settled(outcome task.Class, to task.State, took time.Duration) {
	m.settled.WithLabelValues(outcome.String(), to.String()).Inc()
	m.attempt.Observe(took.Seconds())
}

// Waited notes how long a task was ready before it was claimed.
func (m *Metrics) Waited(d time.Duration) { m.wait.Observe(d.Seconds()) }

// Stale counts a settle that came too late.
func (m *Metrics) Stale() { m.stale.Inc() }

// Rescued counts tasks that were taken back.
func (m *Metrics) Rescued(n int) { m.rescued.Add(float64(n)) }

// Promoted counts scheduled tasks that became ready.
func (m *Metrics) Promoted(n int) { m.promoted.Add(float64(n)) }

// LeaseLost counts that this node had to start anew.
func (m *Metrics) LeaseLost() { m.nodesLost.Inc() }

// LeaseMargin notes what was left of the lease when it was renewed.
func (m *Metrics) LeaseMargin(left time.Duration) { m.leaseMargin.Set(left.Seconds()) }

// Commit notes a write transaction; stores get it as their OnCommit.
func (m *Metrics) Commit(rows int, took time.Duration) {
	m.batch.Observe(float64(rows))
	m.commit.Observe(took.Seconds())
}

// Depth is what waits in a queue, as a scrape reports it.
type Depth struct {
	Queue  string
	State  string
	Tasks  int64
	Oldest time.Duration // of ready: how long the oldest has waited
}

// Watch adds gauges of the queues, read by depths at each scrape.
func (m *Metrics) Watch(depths func() []Depth) {
	m.Registry.MustRegister(&depthCollector{
		depths,
		prometheus.NewDesc("sendoff_tasks", "Tasks by queue and state; finished ones are not counted, failed ones are.", []string{"queue", "state"}, nil),
		prometheus.NewDesc("sendoff_oldest_ready_seconds", "How long the oldest ready task of a queue has waited.", []string{"queue"}, nil),
	})
}

type depthCollector struct {
	depths        func() []Depth
	tasks, oldest *prometheus.Desc
}

func (c *depthCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.tasks; ch <- c.oldest }

func (c *depthCollector) Collect(ch chan<- prometheus.Metric) {
	for _, d := range c.depths() {
		ch <- prometheus.MustNewConstMetric(c.tasks, prometheus.GaugeValue, float64(d.Tasks), d.Queue, d.State)
		if d.State == task.Ready.String() {
			ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, d.Oldest.Seconds(), d.Queue)
		}
	}
}

// Share is what this node has of the limits of a queue, as a scrape reports it.
type Share struct {
	Queue        string
	Slots, Burst int // of the limits of all nodes; 0 = none, or there is no such limit
	Running      int // on this node
}

// WatchShares adds gauges of the queues with limits, read by shares at each scrape.
func (m *Metrics) WatchShares(shares func() []Share) {
	m.Registry.MustRegister(&shareCollector{
		shares,
		prometheus.NewDesc("sendoff_queue_share", "What this node has of the limits of a queue: attempts at a time, starts at once.", []string{"queue", "limit"}, nil),
		prometheus.NewDesc("sendoff_queue_running", "Attempts of a queue with limits that are under way on this node.", []string{"queue"}, nil),
	})
}

type shareCollector struct {
	shares         func() []Share
	share, running *prometheus.Desc
}

func (c *shareCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.share; ch <- c.running }

func (c *shareCollector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.shares() {
		ch <- prometheus.MustNewConstMetric(c.share, prometheus.GaugeValue, float64(s.Slots), s.Queue, "concurrency")
		ch <- prometheus.MustNewConstMetric(c.share, prometheus.GaugeValue, float64(s.Burst), s.Queue, "burst")
		ch <- prometheus.MustNewConstMetric(c.running, prometheus.GaugeValue, float64(s.Running), s.Queue)
	}
}
