package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Workers is what a pool of processes is doing, as a scrape reports it.
type Workers struct {
	ByState map[string]int // starting, idle, running, stopping
	Waiting int            // tasks that were claimed and wait for one
	Made    int            // since the start
	Retired int            // of them, because they were worn
}

// WatchWorkers adds gauges of a pool of processes, read at each scrape.
func (m *Metrics) WatchWorkers(read func() Workers) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m.Registry.MustRegister(&workerCollector{
		read:    read,
		workers: desc("sendoff_workers", "Worker processes of this node, by state.", "state"),
		waiting: desc("sendoff_workers_waiting", "Tasks that this node has claimed and that wait for a worker."),
		made:    desc("sendoff_workers_started_total", "Worker processes that were started."),
		retired: desc("sendoff_workers_retired_total", "Worker processes that were replaced for their age, their tasks or their memory."),
	})
}

type workerCollector struct {
	read                            func() Workers
	workers, waiting, made, retired *prometheus.Desc
}

func (c *workerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.workers, c.waiting, c.made, c.retired} {
		ch <- d
	}
}

func (c *workerCollector) Collect(ch chan<- prometheus.Metric) {
	w := c.read()
	for _, state := range []string{"starting", "idle", "running", "stopping"} {
		ch <- prometheus.MustNewConstMetric(c.workers, prometheus.GaugeValue, float64(w.ByState[state]), state)
	}
	ch <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(w.Waiting))
	ch <- prometheus.MustNewConstMetric(c.made, prometheus.CounterValue, float64(w.Made))
	ch <- prometheus.MustNewConstMetric(c.retired, prometheus.CounterValue, float64(w.Retired))
}
