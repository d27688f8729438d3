package dispatcherd

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

const full = `
version: 2
service:
  pool_kwargs: {min_workers: 2, max_workers: 5, scaledown_wait: 3, scaledown_interval: 1, scaledown_reserve: 1, worker_max_lifetime_seconds: null}
  main_kwargs: {node_id: node-a, chunk_message_timeout_seconds: 60}
  metrics_kwargs: {}
  process_manager_cls: ForkServerManager
  process_manager_kwargs: {preload_modules: [app.setup]}
worker: {worker_cls: app.Worker, worker_kwargs: {idle_timeout: 3}}
brokers:
  pg_notify:
    config: {conninfo: "dbname=d user=u", host: "/tmp/a b"}
    sync_connection_factory: dispatcherd.brokers.pg_notify.connection_saver
    channels: [one, 'two "2"']
    default_publish_channel: one
    max_connection_idle_seconds: 10
    max_self_check_message_age_seconds: 1
  socket: {socket_path: s.sock}
producers:
  ScheduledProducer: {task_schedule: {app.tick: {schedule: 1.5, args: [1]}}}
  OnStartProducer: {task_list: {app.begin: {}}}
  ControlProducer: null
publish: {default_broker: pg_notify}
`

func TestAConfigurationIsTakenAsItIs(t *testing.T) {
	cfg, err := ParseConfig([]byte(full))
	require.NoError(t, err)
	require.Empty(t, cfg.Warnings)
	require.Equal(t, "node-a", cfg.NodeID)
	require.Equal(t, []int{2, 5, 1}, []int{cfg.Pool.Min, cfg.Pool.Max, cfg.Pool.Reserve})
	require.Equal(t, []time.Duration{3 * time.Second, -1, time.Minute}, []time.Duration{cfg.Pool.Idle, cfg.Pool.Age, cfg.ChunkExpiry})
	require.Equal(t, &MetricsConfig{"localhost", 8070}, cfg.Metrics)
	require.Equal(t, &NotifyConfig{
		DSN: `dbname=d user=u host='/tmp/a b'`, Channels: []string{"one", `two "2"`}, Default: "one", IdleCheck: 10 * time.Second, CheckAge: time.Second,
	}, cfg.Notify)
	require.Equal(t, "s.sock", cfg.SocketPath)
	require.True(t, cfg.Control)
	require.Equal(t, []Schedule{{1500 * time.Millisecond, []byte(`{"args":[1],"task":"app.tick"}`)}}, cfg.Schedules)
	require.Equal(t, [][]byte{[]byte(`{"task":"app.begin"}`)}, cfg.OnStart)
	require.False(t, cfg.UsesSocket())
	require.Contains(t, string(cfg.Pool.Settings), `"preload":["app.setup"]`)
	require.Contains(t, string(cfg.Pool.Settings), `"worker_cls":"app.Worker"`)
}

func TestDefaultsAreThoseOfDispatcherd(t *testing.T) {
	cfg, err := ParseConfig([]byte("version: 2\nbrokers: {pg_notify: {channels: [only]}}\n"))
	require.NoError(t, err)
	require.Len(t, cfg.NodeID, 36)
	require.Nil(t, cfg.Metrics)
	require.False(t, cfg.Control)
	require.Equal(t, []any{1, 15 * time.Second, 4 * time.Hour, 30 * time.Minute}, []any{cfg.Pool.Min, cfg.Pool.Idle, cfg.Pool.Age, cfg.ChunkExpiry})
	require.Equal(t, []any{"only", 30 * time.Second, 2 * time.Second}, []any{cfg.Notify.Default, cfg.Notify.IdleCheck, cfg.Notify.CheckAge})
}

func TestASettingThatIsWrongIsNamed(t *testing.T) {
	const rest = "\nbrokers: {socket: {socket_path: s}}\n"
	for text, why := range map[string]string{
		"brokers: {socket: {socket_path: s}}":                                         "version: is missing: want 2",
		"version: 1" + rest:                                                           "version: is 1: want 2",
		"version: 2\nservices: {}" + rest:                                             "services: is unknown",
		"version: 2\nservice: {pool_kwargs: {max_worker: 3}}" + rest:                  "service.pool_kwargs.max_worker: is unknown",
		"version: 2\nservice: {pool_kwargs: {min_workers: two}}" + rest:               "service.pool_kwargs.min_workers: is two: want a number",
		"version: 2\nservice: {pool_kwargs: {min_workers: 3, max_workers: 2}}" + rest: "want none below 0",
		"version: 2\nservice: {main_kwargs: {node: x}}" + rest:                        "service.main_kwargs.node: is unknown",
		"version: 2\nservice: {process_manager_cls: Mine}" + rest:                     `process_manager_cls: is "Mine"`,
		"version: 2\nbrokers: {redis: {}}":                                            "brokers.redis: is no broker",
		"version: 2":                                                                  "brokers: names none",
		"version: 2\nbrokers: {socket: {}}":                                           "brokers.socket.socket_path: is missing",
		"version: 2\nbrokers: {pg_notify: {channel: x}}":                              "brokers.pg_notify.channel: is unknown",
		"version: 2\nbrokers: {pg_notify: {channels: ['']}}":                          `"" has 0 bytes`,
		"version: 2\nbrokers: {pg_notify: {channels: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]}}": "has 64 bytes: want 1 to 63",
		"version: 2\nbrokers: {pg_notify: {max_connection_idle_seconds: 1}}":                                               "max_self_check_message_age_seconds: is 2s: want no more than",
		"version: 2\nproducers: {Cron: {}}" + rest:                                                                         "producers.Cron: is unknown",
		"version: 2\nproducers: {ScheduledProducer: {task_schedule: {a.b: {}}}}" + rest:                                    "task_schedule.a.b.schedule: is <nil>: want seconds",
		"version: 2\npublish: {default_broker: pg_notify}" + rest:                                                          `publish: names broker "pg_notify": want one of socket`,
		"version: 2\nsendoff: {channel: x}" + rest:                                                                         "sendoff.channel: is unknown",
		"version: 2\nsendoff: {channels: {one: {}}}" + rest:                                                                "sendoff.channels.one: is no channel: want one of socket",
		"version: 2\nsendoff: {channels: {socket: {retries: 3}}}" + rest:                                                   "sendoff.channels.socket.retries: is unknown",
		"version: 2\nsendoff: {channels: {socket: {retry: 3}}}" + rest:                                                     "sendoff.channels.socket.retry: is 3",
		"version: 2\nsendoff: {channels: {socket: {retry: {attempts: 3}}}}" + rest:                                         `sendoff.channels.socket.retry: is {"attempts":3}`,
		"version: 2\nsendoff: {channels: {socket: {retry: {max_attempts: -1}}}}" + rest:                                    "retry.max_attempts: is -1",
		"version: 2\nsendoff: {channels: {socket: {shared: true}}}" + rest:                                                 "sendoff.channels.socket.shared: is true",
		"version: 2\nsendoff: {channels: {socket: {durable: 1}}}" + rest:                                                   "sendoff.channels.socket.durable: is 1: want true or false",
		"version: 2\nworker: {cls: x}" + rest:                                                                              "worker.cls: is unknown",
	} {
		_, err := ParseConfig([]byte(text))
		require.ErrorContains(t, err, why, text)
	}
}

// TestSettingsInTheWrongPlaceAreNamedAndLeftOut: such files are in use.
func TestSettingsInTheWrongPlaceAreNamedAndLeftOut(t *testing.T) {
	cfg, err := ParseConfig([]byte("version: 2\nservice: {min_workers: 4}\nbrokers: {socket: {socket_path: s}}\n"))
	require.NoError(t, err)
	require.Equal(t, 1, cfg.Pool.Min)
	require.Len(t, cfg.Warnings, 1)
	require.Contains(t, cfg.Warnings[0], "service.min_workers has no effect")
}

// TestAConfigurationOfBeforeVersionTwo is read as what it is now, also by workers.
func TestAConfigurationOfBeforeVersionTwo(t *testing.T) {
	cfg, err := ParseConfig([]byte(`{"producers": {"brokers": {"pg_notify": {"conninfo": "dbname=postgres user=postgres", "channels": ["test_channel"]}}, "ControlProducer": null},
		"pool": {"max_workers": 4}}`))
	require.NoError(t, err)
	require.True(t, cfg.Converted && cfg.Control)
	require.Equal(t, []any{"dbname=postgres user=postgres", []string{"test_channel"}, 4}, []any{cfg.Notify.DSN, cfg.Notify.Channels, cfg.Pool.Max})
	require.JSONEq(t, `{"dispatcherd": {"version": 2, "brokers": {"pg_notify": {"config": {"conninfo": "dbname=postgres user=postgres"}, "channels": ["test_channel"]}},
		"producers": {"ControlProducer": null}, "service": {"pool_kwargs": {"max_workers": 4}}}}`, string(cfg.Pool.Settings))
	for text, want := range map[string]string{
		`{"brokers": {"socket": {"socket_path": "s"}}}`:                       "version: is missing: want 2",
		`{"pool": {"max_worker": 4}, "producers": {"brokers": {}}}`:           "service.pool_kwargs.max_worker: is unknown",
		`{"version": 1, "pool": {}, "producers": {"brokers": {"socket": 1}}}`: "version: is 1: want 2",
	} {
		_, err := ParseConfig([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

// TestChannelsHaveSettingsOfTheirOwn, in a section that dispatcherd passes over.
func TestChannelsHaveSettingsOfTheirOwn(t *testing.T) {
	cfg, err := ParseConfig([]byte(full + `
sendoff:
  channels:
    one: {shared: true, retry: {max_attempts: 3, min_backoff: 0.5, max_backoff: 1m, jitter: 0}}
    socket: {durable: false, shared: false, retry: null}
`))
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, cfg.Notify.Shared)
	require.Equal(t, []string{"socket"}, cfg.Memory)
	require.Equal(t, map[string]Channel{
		"one": {Retry: &task.RetryPolicy{MaxAttempts: 3, MinBackoff: time.Second / 2, MaxBackoff: time.Minute, Jitter: -1}}, "socket": {},
	}, cfg.Channels)
}
