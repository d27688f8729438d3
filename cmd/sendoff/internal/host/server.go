// Package host is a server in this process: the settings of serve with their
// defaults, the database that they name, an engine over it, and the listener in
// front, until a signal. It holds no rule about tasks, and does not know for
// which command it serves.
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/otlp"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/graphfile"
	"github.com/sendoff-dev/sendoff/internal/graphs"
	"github.com/sendoff-dev/sendoff/store"
)

// Server is an engine over its store, and the listener in front.
type Server struct {
	log      *slog.Logger
	version  string
	grace    time.Duration
	store    store.Store
	Engine   *engine.Engine
	graphs   *graphs.Service
	listener net.Listener
	scheme   string // that clients begin the address with
	http     *http.Server
	cut      context.CancelFunc // ends requests under way
	traces   *otlp.Sender       // nil = nobody wants any
	hold     <-chan struct{}    // tasks are accepted but not carried out until it is closed; nil = at once
}

// Open opens the database, wires the engine and binds the address. Nothing runs
// yet; close releases it all.
func Open(ctx context.Context, s *Settings, version string, log *slog.Logger) (*Server, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	addr, local, err := s.Listen.Resolve()
	if err != nil {
		return nil, err
	}
	socket, err := handed()
	if err != nil {
		return nil, err
	}
	if socket != nil {
		local = socket.Addr().(*net.TCPAddr).IP.IsLoopback()
		log.Info("listening on the socket of systemd, whatever --listen says", "address", socket.Addr().String())
	}
	if s.DB.missing() { // a database that is not there has no keys
		if err := s.Listen.Guarded(local, false); err != nil {
			return nil, err
		}
	}
	metrics := engine.NewMetrics()
	db, err := s.DB.open(ctx, metrics, log)
	if err != nil {
		return nil, openError(err)
	}
	v := &Server{log: log, version: version, grace: s.Node.Grace, store: db, listener: socket}
	if err := v.open(ctx, s, addr, local, metrics); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// open puts everything over the database that is open. local tells whether only this
// machine can reach the server.
func (s *Server) open(ctx context.Context, set *Settings, addr *net.TCPAddr, local bool, metrics *engine.Metrics) error {
	cfg := set.engineConfig(local, s.version, metrics, s.log)
	jobs := graphs.Config{Commands: set.Process.Commands, Env: set.Process.environ()}
	var err error
	if cfg.PlanGraph, err = graphs.Plan(jobs); err != nil {
		return err
	}
	if cfg.Egress, err = set.Outbound.egress(s.log); err != nil {
		return err
	}
	if s.traces, err = otlp.New(ctx, set.Traces.OTLP, s.version, s.log); err != nil {
		return err
	}
	if s.traces != nil {
		cfg.Trace, cfg.Records = s.traces.Send, s.traces.Records
	}
	if s.Engine, err = engine.New(s.store, cfg); err != nil {
		return err
	}
	if err := set.Listen.Guarded(local, s.Engine.NeedsKey()); err != nil {
		return err
	}
	if err := s.listen(set.Listen.Addr, addr); err != nil {
		return err
	}
	if s.graphs, err = graphs.New(s.Engine, jobs); err != nil {
		return err
	}
	if paused, err := s.store.PausedNamespaces(ctx); err == nil && len(paused) > 0 {
		s.log.Warn("paused: nothing runs there until sendoff resume, or after a restore sendoff resume --restored", "namespaces", len(paused))
	}
	if err := set.declare(ctx, s.Engine); err != nil {
		return err
	}
	doors, err := set.Listen.Doors(local)
	if err != nil {
		return err
	}
	doors.GraphRuns = s.graphs
	told(&doors, s.log)
	pair, err := set.Listen.pair(s.log)
	if err != nil {
		return err
	}
	s.listener, s.scheme = secure(s.listener, pair)
	s.wire(doors)
	return nil
}

func (s *Settings) engineConfig(local bool, version string, m *engine.Metrics, log *slog.Logger) engine.Config {
	cfg := engine.Config{Version: version, Metrics: m, Log: log}
	for _, r := range s.Node.Roles {
		cfg.Roles = append(cfg.Roles, engine.Role(r))
	}
	cfg.Grace = max(s.Node.Grace, time.Millisecond) // 0 is the engine's default
	cfg.PushSlots = s.Push.Slots
	cfg.FunctionSlots, cfg.FunctionFloor = s.Function.Slots, s.Function.Floor
	cfg.Processes = s.Process.config()
	cfg.CheckGraph, cfg.Examine = graphfile.Check, s.examine
	cfg.StrictStatus, cfg.KeepState = s.Apps.StrictStatus, s.Apps.KeepState
	cfg.AllowEgress, cfg.AllowLoopback = s.Outbound.AllowEgress, local
	cfg.SecretFile, cfg.KeysFile, cfg.WebhookV1a = s.SecretPath(), s.KeysPath(), s.Outbound.WebhookV1a
	cfg.Retention, cfg.Alerts = s.Retention.kept(), engine.Alerts{URL: s.Alerts.URL, Waited: s.Alerts.Waited, Late: s.Alerts.Late, Quiet: s.Alerts.Quiet}
	return cfg
}

// listen binds the address, unless a socket was handed over.
func (s *Server) listen(name string, addr *net.TCPAddr) (err error) {
	if s.listener != nil {
		return nil
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return listenError(name, err)
	}
	s.listener = l
	return nil
}

func listenError(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("--listen %s is in use by another program: stop that, or choose another port", addr)
	}
	return fmt.Errorf("--listen %s: %w", addr, err)
}

func (s *Server) wire(cfg engine.HandlerConfig) {
	var base context.Context
	base, s.cut = context.WithCancel(context.Background())
	s.http = newHTTP(base, s.Engine.Handler(cfg), s.log)
}

// newHTTP is the server in front of an engine. Requests end with base.
func newHTTP(base context.Context, doors http.Handler, log *slog.Logger) *http.Server {
	var protocols http.Protocols // gRPC clients begin with HTTP/2 at once
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Protocols:         &protocols,
		Handler:           doors,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		// Neither ReadTimeout nor WriteTimeout: ?wait= holds an answer back on purpose, and the engine hastens bodies.
	}
}

// Serve opens the doors of an engine that somebody else runs, until ctx ends.
func (l *Listen) Serve(ctx context.Context, e *engine.Engine, log *slog.Logger) error {
	addr, local, err := l.Resolve()
	if err != nil {
		return err
	}
	if err := l.Guarded(local, e.NeedsKey()); err != nil {
		return err
	}
	listener, err := net.ListenTCP("tcp", addr)
	if err != nil {
		log.Error("the API is not served", "err", listenError(l.Addr, err))
		return nil
	}
	doors, err := l.Doors(local)
	if err != nil {
		return err
	}
	pair, err := l.pair(log)
	if err != nil {
		return err
	}
	secured, scheme := secure(listener, pair)
	server := newHTTP(ctx, e.Handler(doors), log)
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	log.Info("serving the API", "address", scheme+listener.Addr().String())
	if err := server.Serve(secured); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (l *Listen) hosts() []string {
	hosts := make([]string, len(l.AllowHost))
	for i, h := range l.AllowHost {
		hosts[i] = strings.ToLower(h)
	}
	return hosts
}

// URL is the server as clients reach it.
func (s *Server) URL() string {
	addr := s.listener.Addr().(*net.TCPAddr)
	if addr.IP.IsUnspecified() {
		host, _ := os.Hostname()
		return fmt.Sprintf("%s%s:%d", s.scheme, host, addr.Port)
	}
	return s.scheme + addr.String()
}

// LocalURL is the server as this machine reaches it.
func (s *Server) LocalURL() string { return s.scheme + s.listener.Addr().String() }

// HoldBack accepts tasks and carries none out until the channel is closed. watch
// is put before the doors. It is called before run.
func (s *Server) HoldBack(until <-chan struct{}, watch func(http.Handler) http.Handler) {
	s.hold, s.http.Handler = until, watch(s.http.Handler)
}

// Run serves until a signal, and then stops. nil after a clean stop.
func (s *Server) Run(signals <-chan os.Signal) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	worked, served := make(chan error, 1), make(chan error, 1)
	go func() { worked <- s.work(ctx) }()
	go func() { served <- s.http.Serve(s.listener) }()
	go s.tellSystemd(ctx)
	s.log.Info("serving", slog.String("address", s.URL()), slog.String("version", s.version))
	select {
	case sig := <-signals:
		s.log.Info("stopping: finishing what is under way", slog.String("signal", sig.String()), slog.String("grace", s.grace.String()))
		notify(daemon.SdNotifyStopping)
		stop()
		return s.stop(signals, worked)
	case err := <-worked:
		_ = s.http.Close()
		return fmt.Errorf("the engine ended by itself: %w", cmp.Or(err, errors.New("it gave no reason")))
	case err := <-served:
		stop()
		return errors.Join(fmt.Errorf("serve HTTP: %w", err), <-worked)
	}
}

// work carries tasks out, once it may, until ctx ends.
func (s *Server) work(ctx context.Context) error {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return nil
		}
	}
	return s.Engine.Run(ctx)
}

// stop waits for the engine, which has been told to stop, and for requests under
// way. A second signal makes both fast, a third one gives up.
func (s *Server) stop(signals <-chan os.Signal, worked <-chan error) error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.closeHTTP(min(s.grace, 5*time.Second))
	}()
	hurried := false
	var err error
	for worked != nil || closed != nil {
		select {
		case err = <-worked:
			worked = nil
		case <-closed:
			closed = nil
		case <-signals:
			if hurried {
				return errors.New("stopped by a third signal: tasks under way are handed over when their lease has run out")
			}
			hurried = true
			s.log.Warn("second signal: handing back what is under way")
			s.cut()
			s.Engine.Hurry()
		}
	}
	s.log.Info("stopped")
	return err
}

// closeHTTP takes no new connections, gives requests under way some time, and
// then ends them: whoever waits for a task asks again elsewhere.
func (s *Server) closeHTTP(atMost time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	if s.http.Shutdown(ctx) == nil {
		return
	}
	s.cut()
	last, cancelLast := context.WithTimeout(context.Background(), time.Second)
	defer cancelLast()
	if s.http.Shutdown(last) != nil {
		_ = s.http.Close()
	}
}

// Signals are those that run waits for, and how to end that.
func Signals() (signals <-chan os.Signal, stop func()) {
	ch := make(chan os.Signal, 3)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	return ch, func() { signal.Stop(ch) }
}

// Close releases what Open took. It is called after Run, or without it.
func (s *Server) Close() {
	if s.cut != nil {
		s.cut()
	}
	if s.listener != nil {
		_ = s.listener.Close()
	}
	if s.graphs != nil {
		s.graphs.Close()
	}
	s.traces.Close()
	if err := s.store.Close(); err != nil {
		s.log.Error("close the database", slog.Any("err", err))
	}
}
