package dispatcherd

import (
	"bytes"
	"fmt"
)

// shownStates are those that a worker can have in dispatcherd's words.
var shownStates = []string{"error", "exited", "initialized", "ready", "retired", "spawned", "starting", "stopping"}

// exposition is what a scrape gets: the families of releases old and new.
func (s *Service) exposition() []byte {
	workers := s.pool.Workers()
	s.mu.Lock()
	received, controls, discarded, wrong := s.received, s.controls, s.discarded, s.wrong
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
	counter("sendoff_duplicates_discarded_total", "Tasks that their rule for duplicates did not want.", discarded)
	counter("sendoff_messages_dropped_total", "Messages that were wrong.", wrong)
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
