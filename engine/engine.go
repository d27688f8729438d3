// Package engine embeds Sendoff in a Go program: everything that the sendoff
// binary does, over a store of your choice, in your process.
//
//	db, err := sqlite.Open(ctx, "sendoff.db", sqlite.Options{})
//	e, err := engine.New(db, engine.Config{})
//	engine.Handle(e, "welcome", func(ctx context.Context, args Welcome) error { ... })
//	go e.Run(ctx)
//	e.Submit(ctx, engine.Task{Handler: "welcome", Payload: Welcome{Email: "ada@example.com"}})
//
// It wires the rooms together - accept, claim, exec, settle, schedule, node,
// operate - and holds no rule of its own. It knows no database driver: see
// [Engine.SubmitTx] for tasks in transactions of your own.
package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/access"
	"github.com/sendoff-dev/sendoff/internal/acks"
	"github.com/sendoff-dev/sendoff/internal/catalog"
	"github.com/sendoff-dev/sendoff/internal/claim"
	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/events"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/function"
	"github.com/sendoff-dev/sendoff/internal/exec/local"
	"github.com/sendoff-dev/sendoff/internal/exec/process"
	"github.com/sendoff-dev/sendoff/internal/exec/push"
	"github.com/sendoff-dev/sendoff/internal/node"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/quota"
	"github.com/sendoff-dev/sendoff/internal/schedule"
	"github.com/sendoff-dev/sendoff/internal/settle"
	"github.com/sendoff-dev/sendoff/internal/signing"
	"github.com/sendoff-dev/sendoff/internal/telemetry"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Role is a part of the work that an engine takes on.
type Role string

// An engine without the role accept refuses submissions; one without execute
// runs nothing; one without schedule leaves timers and rescue to others.
const (
	Accept   Role = "accept"
	Execute  Role = "execute"
	Schedule Role = "schedule"
)

// AllRoles is what an engine does unless told otherwise.
var AllRoles = []Role{Accept, Execute, Schedule}

// Retention is how long ended tasks are kept, from their end on. A zero field means its
// default; task.NotKept is for those that go at once, with the next sweep.
type Retention struct {
	Succeeded time.Duration // default 24 h
	Canceled  time.Duration // default 24 h
	Failed    time.Duration // default 14 days
}

// Egress says how apps are called. The zero value calls them directly, and knows the
// authorities that this machine knows.
type Egress struct {
	Proxy       string                                                      // URL that requests go through: http, https, socks5; "" = none
	NoProxy     []string                                                    // hosts, .SUFFIX, addresses and CIDRs that are called without it; this machine always is
	Roots       *x509.CertPool                                              // vouch for the certificates of apps; default those of this machine
	Certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error) // shown to apps that ask for one; nil = none is
}

// Config of an Engine. The zero value is ready for use.
type Config struct {
	Name  string // of this node, for people; default host:pid
	Roles []Role // default AllRoles

	PushSlots     int // pushes under way at a time; default 256
	FunctionSlots int // runs of durable functions under way at a time; default 256
	FunctionFloor int // the least that the runs at a time on one host are cut down to; default 1
	LocalSlots    int // handler calls under way at a time; default 100

	Processes     *Processes // that carry out tasks with a Process; nil = this node has none
	ProcessesOnly bool       // this node carries out nothing else

	// Control answers control commands of dispatcherd (POST /v1/control), data being an object
	// of JSON or empty; nil = this is no service of dispatcherd.
	Control func(command string, data json.RawMessage) json.RawMessage

	// CheckGraph refuses the definition of a job graph that POST /v1/graphs is to keep, which
	// is an object of JSON, with a task.Invalid or another error; nil = any is kept.
	CheckGraph func(definition []byte) error

	// PlanGraph makes the task of a schedule that runs a stored graph, as POST /v1/tasks takes
	// it, of what the schedule says, as POST /v1/graph-runs takes it, and of a revision of the
	// graph. task.Invalid; nil = such schedules are refused, and left to other nodes to fire.
	PlanGraph func(run, definition []byte, rev int32) (task []byte, err error)

	// Examine looks the database over for GET /v1/health, some times a minute at most, and is
	// given 20 s; nil = the answer is only whether this node works. See store/doctor.
	Examine func(ctx context.Context) (store.Health, error)

	Grace     time.Duration // for attempts under way when Run's context ends; default 25 s
	Lease     time.Duration // after which a silent node is lost; default 10 s
	Heartbeat time.Duration // default 3 s
	Poll      time.Duration // how often to look for tasks without being woken; default 1 s
	Retention Retention     // of ended tasks

	// SecretFile is a secret under which the keys that sign pushes and runs of functions are
	// sealed in the database, the same for all nodes. It is made when it is missing and the
	// database holds no keys. KeysFile holds them where there is none, and is made when it is
	// missing; with a SecretFile, what it holds is taken over once. Both "" = nothing is signed.
	SecretFile string
	KeysFile   string
	WebhookV1a bool // pushes are signed after Standard Webhooks v1a, too, not only v1

	StrictStatus  bool     // 401, 403 and 404 of a function's endpoint end the call, as Dispatch has it; default: the endpoint is left alone for a while
	KeepState     []string // hosts of endpoints whose functions are not begun again when their app cannot read their state any more; "*" = all
	AllowEgress   []string // CIDRs and hosts that may be called although they are private
	AllowLoopback bool     // targets on this machine may be called
	Egress        Egress   // how they are called

	Alerts Alerts // who is told when something is wrong; default nobody

	// Trace is given what this node did, as spans of traces. It is called beside the work and
	// must not block; nil = there are no spans, and traces are passed on all the same.
	Trace func(Span)

	// Records tells whether the spans of a trace that begins here are kept; others are told by
	// Traceparent. It is asked often, and says the same on every node. nil = those of all are.
	Records func(trace [16]byte) bool

	Version string
	Metrics *Metrics // instruments to fill; default new ones
	Log     *slog.Logger
}

// Engine is a running or ready-to-run Sendoff. Safe for concurrent use.
type Engine struct {
	cfg          Config
	meters       *telemetry.Metrics
	store        store.Store
	shared       bool // other processes may use the store
	catalog      *catalog.Catalog
	acceptor     *accept.Acceptor
	handlers     *local.Handlers
	pusher       *push.Pusher
	runner       *function.Executor
	processes    *process.Pool        // nil = there is none
	processPools []string             // that it serves
	checkURL     func(*url.URL) error // refuses what may not be called
	client       *http.Client         // sends where checkURL and the addresses allow
	embedded     sync.Map             // name -> http.RoundTripper
	keys         *signing.Keys        // nil = nothing is signed
	settler      *settle.Settler
	acks         *acks.Acks
	scheduler    *schedule.Scheduler
	member       *node.Member
	tasks        *operate.Tasks
	functions    *operate.Functions
	actions      *operate.Actions
	waits        *operate.Waits
	queues       *operate.Queues
	gates        *operate.Limits
	definitions  *operate.Definitions
	schedules    *operate.Schedules
	endpoints    *operate.Endpoints
	events       *events.Hub
	executors    exec.ByKind
	room         *claim.Room
	quotas       *quota.Keeper
	loops        loops
	ring         *access.Ring // who may come in
	allowed      *access.Quotas
	apiKeys      *operate.Keys
	failures     *operate.Failures
	health       *operate.Health
	series       *operate.Series
	refusals     *access.Refusals

	unknown func(error) // logs what went wrong with the database when a client is not told
	ready   atomic.Bool
	ending  *ending
}

// New wires an engine over a store. It starts nothing; Submit works at once. The
// store stays the caller's, who closes it after Run has returned.
func New(s store.Store, cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg.withDefaults(), store: s, handlers: local.New(), ending: newEnding()}
	e.events = events.NewHub(func() { e.endpoints.Look() })
	e.meters = e.cfg.Metrics.meters
	e.unknown = logUnknown(e.cfg.Log)
	e.ring = access.NewRing(access.Config{Store: s, Log: e.cfg.Log})
	e.allowed = access.NewQuotas(e.ring, access.Stored{
		Tasks: func(ctx context.Context) (map[int32]int64, error) { return e.queues.Stored(ctx) },
		Bytes: func(ctx context.Context, of func(int32) bool) (map[int32]int64, error) {
			return e.queues.StoredBytes(ctx, of)
		},
	})
	e.refusals = access.NewRefusals(s.PutAudit, e.cfg.Log)
	_, e.shared = s.(store.Notifier)
	if err := e.wirePush(); err != nil {
		return nil, err
	}
	if err := e.wireProcesses(); err != nil {
		return nil, err
	}
	e.catalog = catalog.New(s)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.catalog.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("read the queues: %w", err)
	}
	if err := e.ring.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("read the API keys: %w", err)
	}
	e.wireRooms()
	if err := e.endpoints.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("read which hosts are paused: %w", err)
	}
	e.executors = exec.ByKind{task.HTTP: e.pusher, task.Function: e.runner, task.Local: e.handlers}
	e.room = claim.NewRoom()
	if !e.cfg.ProcessesOnly {
		e.loops = loops{
			e.loop("push", claim.Slots(e.cfg.PushSlots), func(pool string) bool { return pool == task.AnyPool }),
			e.loop("function", claim.Slots(e.cfg.FunctionSlots), func(pool string) bool { return pool == task.FunctionPool }),
			e.loop("local", claim.Slots(e.cfg.LocalSlots), e.servesLocal),
		}
	}
	e.loopProcesses()
	e.wireQuotas()
	e.meters.WatchHosts(called{e}.states)
	e.meters.WatchGates(e.gatesSeen)
	e.meters.Watch(func() []telemetry.Depth { return depths(e.queues.StatsWithin(2*time.Second, 5*time.Second)) })
	return e, nil
}

// HTTPClient sends requests where pushes may go (AllowEgress, AllowLoopback), and
// nowhere else. It follows no redirects.
func (e *Engine) HTTPClient() *http.Client { return e.client }

func (e *Engine) wirePush() error {
	out := e.cfg.Egress
	dialer, err := egress.New(egress.Config{
		Allow: e.cfg.AllowEgress, AllowLoopback: e.cfg.AllowLoopback,
		Proxy: out.Proxy, NoProxy: out.NoProxy, Roots: out.Roots, Certificate: out.Certificate,
	})
	if err != nil {
		return err
	}
	if err := e.wireKeys(); err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	e.checkURL = dialer.CheckURL
	if err := e.cfg.Alerts.check(e.checkURL); err != nil {
		return err
	}
	e.client = &http.Client{Transport: dialer.Transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	e.pusher = push.New(dialer, push.Config{
		Traceparent: e.traceparent, Keys: e.signer(), Webhooks: e.webhooksOf, UserAgent: strings.TrimSuffix("sendoff/"+e.cfg.Version, "/"),
		Queue: func(lane int32) string { return e.catalog.QueueName(lane) }, Slots: e.cfg.PushSlots, Meter: e.meters.Hosts(task.HTTP),
		Paused: func(host string) time.Time { return timeOf(e.endpoints.PausedSince(host)) },
	})
	e.wireFunctions(dialer)
	e.acceptor = accept.New(accept.Config{
		Store: e.store, CheckURL: dialer.CheckURL, Process: e.checkProcess, Embedded: e.embeds, Meter: e.meters, Closed: !e.has(Accept),
		Lane: func(ctx context.Context, namespace int32, queue, pool, group string) (store.Lane, error) {
			return e.catalog.LaneOf(ctx, namespace, queue, pool, group)
		},
		Settings: func(namespace int32, queue string) task.QueueSettings { return e.catalog.Settings(namespace, queue) },
		Find:     func(ctx context.Context, id string) (task.ID, error) { return e.tasks.Resolve(ctx, id) },
		Allow:    func(namespace int32, n int, bytes int64) error { return e.allowed.Allow(namespace, n, bytes) },
		Seen:     func(ctx context.Context, rows []store.Row) ([]store.Row, error) { return e.tasks.Seen(ctx, rows) },
		Created:  e.sawCreated,
		Bell:     bell{e}, Least: func() int32 { return e.catalog.Least(node.Version) },
	})
	return nil
}

func (e *Engine) wireRooms() {
	cfg := e.cfg
	e.tasks = operate.NewTasks(operate.TasksConfig{
		Store: e.store, Lanes: e.catalog, Wake: e.wake, ClientKey: accept.ClientIDHash, Alone: e.catalog.Alone,
		Stopped: func(id task.ID) { e.canceled(store.Held{ID: id}) }, Left: func(id task.ID) { e.left(id) },
		Changed: e.sawChanged, Due: func(at int64) { bell{e}.Due(at) }, Revise: e.acceptor.Revise,
	})
	e.functions = operate.NewFunctions(e.store, e.tasks)
	e.actions = operate.NewActions(operate.ActionsConfig{Store: e.store, Tasks: e.tasks, NewID: accept.NewID, Saw: e.sawAction, Log: cfg.Log})
	e.waits = operate.NewWaits(operate.WaitsConfig{
		Store: e.store, Lanes: e.catalog, Functions: e.functions, Settings: e.catalog.Settings, Scheduler: string(Schedule),
		PausedHost:  func(host string) int64 { return e.endpoints.PausedSince(host) },
		PausedSince: e.catalog.PausedSince,
	})
	e.queues = operate.NewQueues(operate.QueuesConfig{
		Store: e.store, Catalog: e.catalog, Wake: e.wake, Retention: cfg.Retention.kept(), CheckURL: e.checkURL,
		Changed: func() { e.member.Tell(store.Hint{Changed: store.ChangedCatalog}) },
		Seal:    e.sealer(),
		Least:   func() int32 { return e.catalog.Least(node.Version) },
	})
	e.endpoints = operate.NewEndpoints(operate.EndpointsConfig{
		Store: e.store, Called: called{e}, Workers: e.workers, Replace: e.replaceWorker, Shared: e.shared, Every: cfg.Heartbeat, Now: e.store.Now, Log: cfg.Log,
		Asked:  func() { e.member.Tell(store.Hint{Changed: store.ChangedEndpoints}) },
		First:  e.tasks.RunPutOff,
		Events: e.events, Listens: func() { e.member.Tell(store.Hint{Changed: store.ChangedEvents}) },
	})
	e.gates = operate.NewLimits(operate.LimitsConfig{
		Store: e.store, Least: func() int32 { return e.catalog.Least(node.Version) }, Left: func(gate task.ID) { e.left(gate) },
	})
	e.apiKeys = operate.NewKeys(operate.KeysConfig{Store: e.store, Changed: func(ctx context.Context) {
		if e.ring.Refresh(ctx) != nil {
			e.ring.Look()
		}
		e.member.Tell(store.Hint{Changed: store.ChangedKeys})
	}})
	e.schedules = operate.NewSchedules(operate.SchedulesConfig{Store: e.store, Planner: planner{e}, Changed: func() { e.scheduler.Planned() }, Saw: e.sawSchedule, Most: e.allowed.Schedules})
	e.failures = operate.NewFailures(operate.FailuresConfig{Store: e.store, Lane: e.catalog.ByID, Log: cfg.Log})
	e.health = operate.NewHealth(operate.HealthConfig{Ready: e.Ready, Examine: cfg.Examine})
	e.series = operate.NewSeries(e.seriesConfig())
	e.definitions = operate.NewDefinitions(e.store, cfg.CheckGraph)
	e.settler = settle.New(settle.Config{
		Store: e.store, Bell: bell{e}, Watchers: e.tasks, Call: e.prepareCall, Left: e.left, Look: e.lookAtTodos, Settled: e.settled, Meter: e.meters, Log: cfg.Log,
	})
	e.acks = acks.New(acks.Config{
		Store: e.store, Settler: e.settler, Node: func() (task.ID, bool) { return e.member.ID() }, Find: e.tasks.Resolve,
		Least: func() int32 { return e.catalog.Least(node.Version) }, Log: cfg.Log,
	})
	e.scheduler = schedule.New(schedule.Config{
		Store: e.store, Claims: work{e}, Wake: e.wake,
		Planner: planner{e}, Fires: e.meters, Fired: func(of store.ScheduleName) { e.sawSchedule(of, events.Fired) },
		Do: e.workOff, Retention: cfg.Retention.kept(), Lanes: e.retentions, Meter: e.meters, Log: cfg.Log,
	})
	member := node.Config{
		Store: e.store, Name: cfg.Name, Roles: join(cfg.Roles), Lease: cfg.Lease, Beat: cfg.Heartbeat, Log: cfg.Log,
		Work: work{e}, Hint: e.hint, Meter: e.meters,
	}
	if e.shared {
		member.Notify = e.store.(store.Notifier)
	} else {
		member.Lease = 100 * 365 * 24 * time.Hour // nobody else could take over: a pause is no loss
	}
	e.member = node.New(member)
}

// loop claims from the lanes of some pools. What a task is carried out by, its kind
// decides.
func (e *Engine) loop(name string, room func() int, serves func(pool string) bool) *claim.Loop {
	return claim.New(claim.Config{
		Name: name, Room: room, Within: e.room, Poll: e.cfg.Poll, Store: e.store, Log: e.cfg.Log,
		Claimed: e.meters.Claimed(name), Execute: e.execute,
		Node:   e.claiming,
		Lanes:  func() []store.Lane { return e.catalog.Lanes(func(l store.Lane) bool { return serves(l.Pool) }) },
		Weight: func(l store.Lane) int32 { return e.catalog.Weight(l) },
	})
}

// pools are those whose lanes the loops claim from.
func (e *Engine) pools() []string {
	if !e.has(Execute) {
		return nil
	}
	if e.cfg.ProcessesOnly {
		return e.processPools
	}
	pools := append([]string{task.AnyPool, task.FunctionPool}, e.processPools...)
	for _, name := range e.handlers.Names() {
		pools = append(pools, task.LocalPool(name))
	}
	return pools
}

// servesLocal tells whether a handler of this process can run tasks of a pool.
func (e *Engine) servesLocal(pool string) bool {
	name, ok := strings.CutPrefix(pool, task.LocalPool(""))
	return ok && slices.Contains(e.handlers.Names(), name)
}

// bell wakes those who have something to do.
type bell struct{ e *Engine }

func (b bell) Wake(woken []store.Woken) { b.e.wake(woken) }
func (b bell) Due(at int64)             { b.e.scheduler.Due(at) }

func (b bell) Expect(lane int32, priority int16) (over func()) {
	return b.e.loops.expect(lane, priority)
}

// wake tells everyone who can run tasks that some are ready.
func (e *Engine) wake(woken []store.Woken) {
	if len(woken) == 0 {
		return
	}
	e.loops.wake(woken)
	e.member.Tell(store.Hint{Woken: woken})
}

// hint is what another node tells.
func (e *Engine) hint(h store.Hint) {
	if h.Changed.Has(store.ChangedCatalog) {
		e.catalog.Stale()
	}
	if h.Changed.Has(store.ChangedEndpoints) {
		e.endpoints.Look()
	}
	if h.Changed.Has(store.ChangedEvents) {
		e.events.Listening()
		e.endpoints.Look()
	}
	if h.Changed.Has(store.ChangedShares) {
		e.quotas.Look()
	}
	if h.Changed.Has(store.ChangedKeys) {
		e.ring.Look()
	}
	if h.Changed.Has(store.ChangedSigning) && e.keys != nil {
		e.keys.Look()
	}
	if h.Changed.Has(store.ChangedOrders) {
		e.member.Look()
	}
	if h.Changed.Has(store.ChangedTodos) {
		e.scheduler.Look()
	}
	e.loops.wake(h.Woken)
	for _, c := range h.Canceled {
		e.loops.stop(c)
	}
}

// canceled stops what runs of a task, here or on another node.
func (e *Engine) canceled(h store.Held) {
	e.loops.stop(h)
	e.member.Tell(store.Hint{Canceled: []store.Held{h}})
}

func join(roles []Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}
