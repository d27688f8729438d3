package dispatcherd

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"github.com/sendoff-dev/sendoff/internal/exec/process"
	"github.com/sendoff-dev/sendoff/task"
)

// Config is a configuration of dispatcherd, as this service understands it.
type Config struct {
	NodeID      string
	Generated   bool               // NodeID is one that was made: it ends with the service
	Memory      []string           // channels whose tasks are not recorded
	Channels    map[string]Channel // by name; socket for the socket
	Pool        process.Config     // without what only the program knows: Env, Guard, Output
	ChunkExpiry time.Duration      // of messages in pieces; 0 = never
	Metrics     *MetricsConfig     // nil = none are served
	Control     bool               // the command run is offered
	Schedules   []Schedule
	OnStart     [][]byte // messages

	Notify     *NotifyConfig             // nil = PostgreSQL is not listened to
	SocketPath string                    // "" = there is no socket
	Others     map[string]map[string]any // settings of brokers that only the program knows, by name
	Default    string                    // name of the broker that questions go to unless they say otherwise; "" = the only one
	Converted  bool                      // it is of before version 2, and was read as one of version 2
	Warnings   []string                  // of what is accepted and has no effect
}

// MetricsConfig is where metrics are served.
type MetricsConfig struct {
	Host string // default localhost
	Port int    // default 8070
}

// NotifyConfig is a broker on NOTIFY of PostgreSQL.
type NotifyConfig struct {
	DSN       string // of PostgreSQL, as KEY=VALUE pairs
	Channels  []string
	Shared    []string      // of these: each message is for one of the services that listen
	Default   string        // channel that questions are published on
	IdleCheck time.Duration // without traffic for so long, a message is sent to itself; 0 = never
	CheckAge  time.Duration // that such a message may take; 0 = as long as it likes
}

// Channel is what the configuration says of a channel.
type Channel struct {
	Retry *task.RetryPolicy // of its tasks; nil = each has one attempt
}

// Schedule is a task that is submitted from time to time.
type Schedule struct {
	Every   time.Duration
	Message []byte
}

// ReadConfig reads a configuration file. Every fault is named by its place.
func ReadConfig(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cfg, err := ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

// ParseConfig reads a configuration, which may be YAML or JSON. others are names of brokers
// that the program has beside those of this package.
func ParseConfig(text []byte, others ...string) (*Config, error) {
	var top map[string]any
	if err := yaml.Unmarshal(text, &top); err != nil {
		return nil, err
	}
	r := &reader{others: others}
	cfg := &Config{Converted: r.convert(top)}
	r.known("", top, "version", "service", "worker", "brokers", "producers", "publish", "sendoff")
	if v, ok := top["version"]; !ok || v != 2 {
		r.fault("version", "is %v: want 2", cmp.Or[any](v, "missing"))
	}
	r.service(cfg, r.section("service", top["service"]))
	r.brokers(cfg, r.section("brokers", top["brokers"]))
	r.producers(cfg, r.section("producers", top["producers"]))
	r.publish(cfg, r.section("publish", top["publish"]))
	r.channels(cfg, r.section("sendoff", top["sendoff"]))
	r.known("worker", r.section("worker", top["worker"]), "worker_cls", "worker_kwargs")
	cfg.Warnings = r.warnings
	if err := errors.Join(r.faults...); err != nil {
		return nil, err
	}
	settings := map[string]any{"dispatcherd": top}
	if preload := r.preload; len(preload) > 0 {
		settings["preload"] = preload
	}
	var err error
	cfg.Pool.Settings, err = json.Marshal(settings)
	return cfg, err
}

// convert makes a configuration of version 2 of one of before, where the brokers are under
// producers, the settings of the pool at the top, and a connection is its conninfo. It
// tells whether it was one.
func (r *reader) convert(top map[string]any) bool {
	producers, _ := top["producers"].(map[string]any)
	brokers, old := producers["brokers"]
	pool, hasPool := top["pool"]
	if _, versioned := top["version"]; versioned || !old && !hasPool {
		return false
	}
	if old {
		all := r.section("producers.brokers", brokers)
		if notify, ok := all["pg_notify"].(map[string]any); ok {
			if conninfo, ok := notify["conninfo"]; ok {
				notify["config"] = map[string]any{"conninfo": conninfo}
				delete(notify, "conninfo")
			}
		}
		delete(producers, "brokers")
		top["brokers"] = all
	}
	if hasPool {
		service := r.section("service", top["service"])
		if service == nil {
			service = map[string]any{}
		}
		service["pool_kwargs"], top["service"] = pool, service
		delete(top, "pool")
	}
	top["version"] = 2
	return true
}

// reader collects what is wrong with a configuration.
type reader struct {
	faults   []error
	warnings []string
	preload  []string
	others   []string // brokers that are known beside ours
}

func (r *reader) fault(at, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s: "+format, append([]any{at}, args...)...))
}

// section is a map; nothing is an empty one.
func (r *reader) section(at string, v any) map[string]any {
	m, ok := v.(map[string]any)
	if !ok && v != nil {
		r.fault(at, "is %v: want a map", v)
	}
	return m
}

// known refuses keys that mean nothing.
func (r *reader) known(at string, m map[string]any, names ...string) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(names, key) {
			r.fault(strings.TrimPrefix(at+"."+key, "."), "is unknown: want %s", strings.Join(names, ", "))
		}
	}
}

func (r *reader) number(at string, v any, usual float64) float64 {
	switch v := v.(type) {
	case nil:
		return usual
	case int:
		return float64(v)
	case float64:
		return v
	}
	r.fault(at, "is %v: want a number", v)
	return usual
}

func (r *reader) seconds(at string, v any, usual float64) time.Duration {
	n := r.number(at, v, usual)
	if n < 0 {
		r.fault(at, "is %v: want seconds", v)
	}
	return time.Duration(n * float64(time.Second))
}

func (r *reader) text(at string, v any) string {
	s, ok := v.(string)
	if !ok && v != nil {
		r.fault(at, "is %v: want a text", v)
	}
	return s
}

func (r *reader) texts(at string, v any) (out []string) {
	list, ok := v.([]any)
	if !ok && v != nil {
		r.fault(at, "is %v: want a list of texts", v)
	}
	for _, item := range list {
		out = append(out, r.text(at, item))
	}
	return out
}

func (r *reader) service(cfg *Config, m map[string]any) {
	usual := []string{"pool_kwargs", "main_kwargs", "metrics_kwargs", "process_manager_cls", "process_manager_kwargs"}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(usual, key) {
			r.warnings = append(r.warnings, "service."+key+" has no effect, as with dispatcherd: settings of the pool belong under service.pool_kwargs")
		}
	}
	r.pool(&cfg.Pool, r.section("service.pool_kwargs", m["pool_kwargs"]))
	main := r.section("service.main_kwargs", m["main_kwargs"])
	r.known("service.main_kwargs", main, "node_id", "chunk_message_timeout_seconds")
	cfg.NodeID = r.text("service.main_kwargs.node_id", main["node_id"])
	if cfg.Generated = cfg.NodeID == ""; cfg.Generated {
		cfg.NodeID = uuid.NewString()
	}
	cfg.ChunkExpiry = time.Duration(max(r.number("service.main_kwargs.chunk_message_timeout_seconds", main["chunk_message_timeout_seconds"], 1800), 0) * float64(time.Second))
	if v, there := m["metrics_kwargs"]; there && v != nil {
		web := r.section("service.metrics_kwargs", v)
		r.known("service.metrics_kwargs", web, "host", "port")
		cfg.Metrics = &MetricsConfig{
			Host: cmp.Or(r.text("service.metrics_kwargs.host", web["host"]), "localhost"), Port: int(r.number("service.metrics_kwargs.port", web["port"], 8070)),
		}
	}
	cls := r.text("service.process_manager_cls", m["process_manager_cls"])
	if known := []string{"", "ForkServerManager", "ProcessManager", "SpawnServerManager"}; !slices.Contains(known, cls) {
		r.fault("service.process_manager_cls", "is %q: want one of %s", cls, strings.Join(known[1:], ", "))
	}
	manager := r.section("service.process_manager_kwargs", m["process_manager_kwargs"])
	r.known("service.process_manager_kwargs", manager, "preload_modules")
	r.preload = r.texts("service.process_manager_kwargs.preload_modules", manager["preload_modules"])
}

func (r *reader) pool(p *process.Config, m map[string]any) {
	const at = "service.pool_kwargs"
	r.known(at, m, "min_workers", "max_workers", "scaledown_wait", "scaledown_interval", "scaledown_reserve", "worker_stop_wait", "worker_removal_wait",
		"worker_max_lifetime_seconds", "results_read_timeout")
	p.Min = int(r.number(at+".min_workers", m["min_workers"], 1))
	p.Max = int(r.number(at+".max_workers", m["max_workers"], 0))
	p.Reserve = int(r.number(at+".scaledown_reserve", m["scaledown_reserve"], 0))
	if p.Min < 0 || p.Max < 0 || p.Reserve < 0 || p.Max != 0 && p.Max < p.Min {
		r.fault(at, "min_workers %d, max_workers %d, scaledown_reserve %d: want none below 0, and not more at least than at most", p.Min, p.Max, p.Reserve)
	}
	p.Idle = max(r.seconds(at+".scaledown_wait", m["scaledown_wait"], 15), time.Millisecond)
	p.Age = -1
	if v, there := m["worker_max_lifetime_seconds"]; !there || v != nil {
		p.Age = max(r.seconds(at+".worker_max_lifetime_seconds", v, 14400), time.Millisecond)
	}
	for _, key := range []string{"scaledown_interval", "worker_stop_wait", "worker_removal_wait", "results_read_timeout"} {
		r.seconds(at+"."+key, m[key], 0)
	}
	p.Allow, p.Eval = []string{"*"}, true
}

func (r *reader) brokers(cfg *Config, m map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		at := "brokers." + name
		b := r.section(at, m[name])
		switch {
		case slices.Contains(r.others, name):
			if cfg.Others == nil {
				cfg.Others = map[string]map[string]any{}
			}
			cfg.Others[name] = b
		case name == "pg_notify":
			cfg.Notify = r.notify(at, b)
		case name == "socket":
			r.known(at, b, "socket_path")
			if cfg.SocketPath = r.text(at+".socket_path", b["socket_path"]); cfg.SocketPath == "" {
				r.fault(at+".socket_path", "is missing")
			}
		default:
			r.fault(at, "is no broker that this service has: want %s", strings.Join(append([]string{"pg_notify", "socket"}, r.others...), ", "))
		}
	}
	if len(m) == 0 {
		r.fault("brokers", "names none: want one at least, such as pg_notify or socket")
	}
}

func (r *reader) notify(at string, b map[string]any) *NotifyConfig {
	r.known(at, b, "config", "sync_connection_factory", "async_connection_factory", "channels", "default_publish_channel", "max_connection_idle_seconds",
		"max_self_check_message_age_seconds")
	n := &NotifyConfig{
		DSN: r.dsn(at+".config", r.section(at+".config", b["config"])), Channels: r.texts(at+".channels", b["channels"]),
		Default: r.text(at+".default_publish_channel", b["default_publish_channel"]),
	}
	if n.Default == "" && len(n.Channels) == 1 {
		n.Default = n.Channels[0]
	}
	for _, c := range append([]string{}, n.Channels...) {
		if c == "" || len(c) > 63 {
			r.fault(at+".channels", "%q has %d bytes: want 1 to 63", c, len(c))
		}
	}
	optional := func(key string, usual float64) time.Duration {
		if v, there := b[key]; there && v == nil {
			return 0
		}
		return r.seconds(at+"."+key, b[key], usual)
	}
	n.IdleCheck, n.CheckAge = optional("max_connection_idle_seconds", 30), optional("max_self_check_message_age_seconds", 2)
	if n.IdleCheck > 0 && n.CheckAge > n.IdleCheck {
		r.fault(at+".max_self_check_message_age_seconds", "is %s: want no more than max_connection_idle_seconds, which is %s", n.CheckAge, n.IdleCheck)
	}
	return n
}

// dsn turns arguments of psycopg into a connection string: conninfo, and more by name.
func (r *reader) dsn(at string, m map[string]any) string {
	parts := []string{r.text(at+".conninfo", m["conninfo"])}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		v := m[key]
		if key == "conninfo" || key == "autocommit" || v == nil {
			continue
		}
		name := key
		if key == "database" {
			name = "dbname"
		}
		text := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(fmt.Sprint(v))
		parts = append(parts, name+"='"+text+"'")
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

func (r *reader) producers(cfg *Config, m map[string]any) {
	r.known("producers", m, "ScheduledProducer", "OnStartProducer", "ControlProducer")
	_, cfg.Control = m["ControlProducer"]
	scheduled := r.section("producers.ScheduledProducer", m["ScheduledProducer"])
	r.known("producers.ScheduledProducer", scheduled, "task_schedule")
	for name, fields := range r.tasks("producers.ScheduledProducer.task_schedule", scheduled["task_schedule"]) {
		at := "producers.ScheduledProducer.task_schedule." + name
		every := r.seconds(at+".schedule", fields["schedule"], 0)
		if every <= 0 {
			r.fault(at+".schedule", "is %v: want seconds", fields["schedule"])
			continue
		}
		delete(fields, "schedule")
		cfg.Schedules = append(cfg.Schedules, Schedule{every, r.message(at, name, fields)})
	}
	start := r.section("producers.OnStartProducer", m["OnStartProducer"])
	r.known("producers.OnStartProducer", start, "task_list")
	for name, fields := range r.tasks("producers.OnStartProducer.task_list", start["task_list"]) {
		cfg.OnStart = append(cfg.OnStart, r.message("producers.OnStartProducer.task_list."+name, name, fields))
	}
}

// tasks goes over a map of tasks, by name, with copies of their fields.
func (r *reader) tasks(at string, v any) func(yield func(string, map[string]any) bool) {
	m := r.section(at, v)
	return func(yield func(string, map[string]any) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			fields := map[string]any{}
			maps.Copy(fields, r.section(at+"."+name, m[name]))
			if !yield(name, fields) {
				return
			}
		}
	}
}

func (r *reader) message(at, name string, fields map[string]any) []byte {
	fields["task"] = name
	text, err := json.Marshal(fields)
	if err != nil {
		r.fault(at, "is no message: %s", err)
	}
	return text
}

func (r *reader) publish(cfg *Config, m map[string]any) {
	r.known("publish", m, "default_broker", "default_control_broker")
	cfg.Default = cmp.Or(r.text("publish.default_control_broker", m["default_control_broker"]), r.text("publish.default_broker", m["default_broker"]))
	if known := cfg.brokerNames(); cfg.Default != "" && !slices.Contains(known, cfg.Default) {
		r.fault("publish", "names broker %q: want one of %s", cfg.Default, strings.Join(known, ", "))
	}
}

// channels reads the section that dispatcherd does not know, and passes over: what is ours of
// each channel.
func (r *reader) channels(cfg *Config, m map[string]any) {
	r.known("sendoff", m, "channels")
	all := r.section("sendoff.channels", m["channels"])
	known := cfg.channelNames()
	cfg.Channels = map[string]Channel{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		at := "sendoff.channels." + name
		if !slices.Contains(known, name) && len(cfg.Others) == 0 {
			r.fault(at, "is no channel: want one of %s", strings.Join(known, ", "))
		}
		c := r.section(at, all[name])
		r.known(at, c, "shared", "durable", "retry")
		if r.truth(at+".shared", c["shared"], false) {
			if name == socketChannel {
				r.fault(at+".shared", "is true: want false, for a socket has one service")
			} else if cfg.Notify != nil {
				cfg.Notify.Shared = append(cfg.Notify.Shared, name)
			}
		}
		if !r.truth(at+".durable", c["durable"], true) {
			cfg.Memory = append(cfg.Memory, name)
		}
		cfg.Channels[name] = Channel{Retry: r.retry(at+".retry", c["retry"])}
	}
}

func (r *reader) retry(at string, v any) *task.RetryPolicy {
	text, err := json.Marshal(v)
	if err != nil {
		r.fault(at, "is %v: %s", v, err)
		return nil
	}
	policy, err := readRetry(text)
	if err != nil {
		r.fault(at, "is %s: %s", text, err)
	}
	return policy
}

func (r *reader) truth(at string, v any, usual bool) bool {
	b, ok := v.(bool)
	if !ok && v != nil {
		r.fault(at, "is %v: want true or false", v)
	}
	if !ok {
		return usual
	}
	return b
}

// socketChannel is what stands for all clients of the socket where a channel is named.
const socketChannel = "socket"

func (c *Config) channelNames() (names []string) {
	if c.Notify != nil {
		names = append(names, c.Notify.Channels...)
	}
	if c.SocketPath != "" {
		names = append(names, socketChannel)
	}
	return names
}

func (c *Config) brokerNames() (names []string) {
	if c.Notify != nil {
		names = append(names, "pg_notify")
	}
	if c.SocketPath != "" {
		names = append(names, "socket")
	}
	return slices.AppendSeq(names, maps.Keys(c.Others))
}

// UsesSocket tells whether questions go over the socket.
func (c *Config) UsesSocket() bool {
	return c.Default == "socket" || c.Default == "" && c.Notify == nil
}

// shares tells whether each message of a channel is for one service.
func (n *NotifyConfig) shares(channel string) bool {
	return n != nil && slices.Contains(n.Shared, channel)
}
