package dispatcherd

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/process"
)

// commands are the control commands but for status and run, which use others: a fixed
// table, so that no name means anything else.
var commands = map[string]func(*Service, map[string]json.RawMessage) object{
	"alive":         func(*Service, map[string]json.RawMessage) object { return nil },
	"running":       func(s *Service, data map[string]json.RawMessage) object { return s.find(data, false) },
	"cancel":        func(s *Service, data map[string]json.RawMessage) object { return s.find(data, true) },
	"workers":       func(s *Service, _ map[string]json.RawMessage) object { return s.workers() },
	"producers":     func(s *Service, _ map[string]json.RawMessage) object { return s.producers() },
	"metrics":       func(s *Service, _ map[string]json.RawMessage) object { return s.metrics() },
	"main":          func(s *Service, _ map[string]json.RawMessage) object { return s.main() },
	"chunks":        func(s *Service, _ map[string]json.RawMessage) object { return s.chunkStatus() },
	"aio_tasks":     (*Service).loops,
	"set_log_level": (*Service).setLogLevel,
}

// Control answers a command that has come by another way than a broker: it counts as no
// message. The answer is JSON: words of Python that JSON does not know are texts in it.
func (s *Service) Control(command string, data json.RawMessage) json.RawMessage {
	return finite(s.signed(s.ask(command, data)).bytes())
}

// ask answers a command.
func (s *Service) ask(command string, raw json.RawMessage) object {
	data := map[string]json.RawMessage{}
	if given(raw) && json.Unmarshal(finite(raw), &data) != nil {
		return object{{"error", "control_data is no object: " + cut(raw)}}
	}
	if command != "alive" {
		s.settle()
	}
	switch do := commands[command]; {
	case do != nil:
		return do(s, data)
	case command == "status":
		return s.status()
	case command == "run":
		return s.runOne(data)
	}
	return object{{"error", "No control method " + command}}
}

func (s *Service) status() object {
	return object{
		{"running", s.find(nil, false)},
		{"aio_tasks", s.loops(nil)},
		{"workers", s.workers()},
		{"producers", s.producers()},
		{"metrics", s.metrics()},
		{"main", s.main()},
		{"chunks", s.chunkStatus()},
	}
}

// find lists the tasks that a filter asks for, and cancels them if that is wished. All of
// them: which ones is settled before the first is touched.
func (s *Service) find(filter map[string]json.RawMessage, cancel bool) (found object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stop []*item
	for _, list := range []struct {
		name  string
		items []*item
	}{{"worker", s.running}, {"blocked", s.blocked}, {"queued", s.line}, {"delayed", slices.Concat(s.delayed, s.again)}} {
		for i, it := range list.items {
			if !it.m.matches(filter) {
				continue
			}
			if list.name == "worker" {
				i = it.worker
			}
			found = append(found, member{fmt.Sprintf("%s-%d", list.name, i), raw(it.m.raw)})
			stop = append(stop, it)
		}
	}
	if cancel {
		for _, it := range stop {
			s.stop(it)
		}
	}
	return found
}

// stop cancels a task, wherever it is. The lock is held.
func (s *Service) stop(it *item) {
	it.canceled = true
	switch {
	case it.id != "" && it.cancel != nil: // an attempt has come
		s.take1(&s.line, it)
		it.cancel(exec.ErrCanceled)
	case it.id != "":
		s.leave(it)
		s.record.cancel = append(s.record.cancel, it)
		poke(s.record.signal)
	case s.take1(&s.delayed, it):
		it.timer.Stop()
	case s.take1(&s.blocked, it):
	default:
		s.take1(&s.line, it)
		it.cancel(exec.ErrCanceled)
	}
}

// statusOf is the state of a worker in dispatcherd's words.
func statusOf(w *process.Worker) string {
	switch w.State {
	case "starting":
		return "starting"
	case "stopping":
		return "stopping"
	}
	return "ready"
}

func (s *Service) workers() (all object) {
	list := s.pool.Workers()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		w := &list[i]
		row := object{
			{"worker_id", w.Number},
			{"pid", w.PID},
			{"status", statusOf(w)},
			{"finished_count", w.Done},
			{"current_task", nil},
			{"current_task_uuid", nil},
			{"active_cancel", w.Stage != ""},
			{"age", time.Since(w.Started).Seconds()},
		}
		if at := slices.IndexFunc(s.running, func(it *item) bool { return it.worker == w.Number }); at >= 0 && w.State == "running" {
			it := s.running[at]
			row[4].value, row[5].value = it.m.task, it.m.fields["uuid"]
			row[6].value = w.Stage != "" || it.canceled
		}
		all = append(all, member{"worker-" + strconv.Itoa(w.Number), row})
	}
	return all
}

func (s *Service) producers() (all object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.brokers {
		row := object{{"produced_count", p.count}, {"uptime_seconds", time.Since(s.began).Seconds()}}
		if p.broker != nil {
			h := p.broker.Health()
			row = append(row, member{"recycle_count", h.Recycled})
			if c := h.SelfCheck; c != nil {
				check := object{{"enabled", c.Enabled}, {"success_count", c.Count}, {"average_time_seconds", nil}, {"max_time_seconds", nil}}
				if c.Measured {
					check[2].value, check[3].value = c.Mean, c.Longest
				}
				row = append(row, member{"broker_self_check", check})
			}
		}
		all = append(all, member{p.name, row})
	}
	return all
}

func (s *Service) metrics() object {
	if s.web == nil {
		return object{{"enabled", false}}
	}
	return object{{"enabled", true}, {"status", s.web.status()}}
}

func (s *Service) main() object {
	made, retired := s.pool.Counts()
	live := len(s.pool.Workers())
	s.mu.Lock()
	defer s.mu.Unlock()
	return object{
		{"received_count", s.received},
		{"control_count", s.controls},
		{"pid", os.Getpid()},
		{"pool", object{
			{"next_worker_id", made},
			{"finished_count", s.finished},
			{"canceled_count", s.canceled},
			{"retirement_count", retired},
			{"worker_ct", live},
			{"running_ct", len(s.running)},
			{"active_task_ct", len(s.running) + len(s.line)},
			{"usage", s.demand.usage(live)},
		}},
	}
}

// usage says when so many workers were needed last.
func (d *demand) usage(live int) object {
	var counts []int
	for n := range d.last {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	since := func(n int) any {
		at, ok := d.last[n]
		if !ok {
			return "absent"
		}
		return math.Round(time.Since(at).Seconds()*100) / 100
	}
	var top, near object
	for _, n := range counts[max(0, len(counts)-5):] {
		top = append(top, member{strconv.Itoa(n), since(n)})
	}
	for n := max(live, 1); n < max(live, 1)+3; n++ {
		near = append(near, member{strconv.Itoa(n), since(n)})
	}
	return object{{"count", len(counts)}, {"top5", top}, {"near_worker_ct", near}}
}

func (s *Service) chunkStatus() object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chunks.status(time.Now())
}

// loops answers aio_tasks: the loops of this service under the names that theirs have,
// with the stacks of goroutines.
func (s *Service) loops(data map[string]json.RawMessage) (all object) {
	limit := 6
	if raw := data["limit"]; given(raw) {
		n, err := strconv.Atoi(string(raw))
		if err != nil || n < 0 {
			return object{{"error", "limit is no number: " + cut(raw)}}
		}
		limit = n
	}
	names := []string{"dispatcherd_service_main", "results_task", "management_task", "delayed_task_runner", "exit_event_wait"}
	for _, p := range s.brokers {
		if p.broker != nil {
			names = append(names, "dispatcherd.brokers."+p.broker.Name()+"_production")
		}
	}
	if s.web != nil {
		names = append(names, "metrics_server")
	}
	stack := stackOf(limit)
	for _, name := range names {
		text := stack
		if limit == 0 {
			text = "No stack for " + name + "\n"
		}
		all = append(all, member{name, object{{"done", false}, {"stack", text}}})
	}
	return all
}

// stackOf is the stack of who asks, so many calls deep.
func stackOf(depth int) string {
	pcs := make([]uintptr, depth)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var b strings.Builder
	for {
		f, more := frames.Next()
		if f.Function != "" {
			fmt.Fprintf(&b, "  %s, line %d\n", f.Function, f.Line)
		}
		if !more {
			return b.String()
		}
	}
}

func (s *Service) runOne(data map[string]json.RawMessage) object {
	if !s.cfg.Control {
		return object{{"error", "A ControlProducer producer is not enabled. Add it to the list of producers in the configuration to use this command."}}
	}
	text, err := json.Marshal(data)
	if err != nil {
		return object{{"error", err.Error()}}
	}
	m, err := parse(text)
	if err == nil {
		ack := object{{"ack", raw(text)}}
		s.mu.Lock()
		for _, p := range s.brokers {
			if p.name == controlProducer {
				p.count++
			}
		}
		m.complete(s.received, "")
		delete(m.fields, "channel")
		s.received++
		s.mu.Unlock()
		s.take(m, defaultQueue, nil)
		return ack
	}
	return object{{"error", err.Error()}}
}

// levels are Python's, by name.
var levels = map[string]struct {
	number int
	level  slog.Level
}{
	"DEBUG": {10, slog.LevelDebug}, "INFO": {20, slog.LevelInfo}, "WARNING": {30, slog.LevelWarn}, "ERROR": {40, slog.LevelError},
	"CRITICAL": {50, slog.LevelError + 4},
}

func (s *Service) setLogLevel(data map[string]json.RawMessage) object {
	name, ok := text(data["level"])
	if number, err := strconv.Atoi(string(data["level"])); !ok && err == nil {
		for known, l := range levels {
			if l.number == number {
				name, ok = known, true
			}
		}
		if !ok {
			return object{{"error", fmt.Sprintf("Unknown log level '%d'.", number)}}
		}
	}
	if !ok {
		return object{{"error", `Log level must be provided as a string or int via the "level" key.`}}
	}
	l, known := levels[strings.ToUpper(strings.TrimSpace(name))]
	if !known {
		return object{{"error", fmt.Sprintf("Unknown log level '%s'.", name)}}
	}
	before := LevelName(s.level.Level())
	s.level.Set(l.level)
	return object{{"logger", "dispatcherd"}, {"level", LevelName(l.level)}, {"previous_level", before}}
}

// LevelName is a level in Python's words.
func LevelName(level slog.Level) string {
	for name, l := range levels {
		if l.level == level {
			return name
		}
	}
	return level.String()
}

// ParseLevel reads a level in Python's words.
func ParseLevel(name string) (slog.Level, bool) {
	l, ok := levels[strings.ToUpper(name)]
	return l.level, ok
}
