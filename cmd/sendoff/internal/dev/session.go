package dev

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/screen"
	"github.com/sendoff-dev/sendoff/task"
)

// session is one run: the server in this process, the app, and the view.
type session struct {
	c        *Options
	server   *host.Server
	endpoint string // URL of the app
	kept     bool   // the database stays
	feed     *calltree.Feed
	view     runView
	child    *child // nil = the app is somebody else's
	door     *door
	gate     *gate
	logs     chan logLine
	ended    chan error // of the server
	tell     chan os.Signal
	lost     []string // endpoints that unfinished calls expect, and that this run does not serve
	met      bool     // the app was seen to listen
	hinted   bool     // that it does not, and why that may be
	quit     bool     // somebody asked for the end
}

// logLine is a line of the app, or of the server.
type logLine struct {
	source string // app or sendoff
	stream string // stdout or stderr
	text   string
}

// runView shows a run. Its methods are called from one goroutine.
type runView interface {
	start()
	log(l logLine)
	call(was, is *calltree.Call)
	tick(now time.Time) // after each look at the calls
	close(end runEnd)   // the last look is taken
	keyboard
}

// keyboard is what somebody may press while a run is shown.
type keyboard interface {
	keys() <-chan screen.Key // nil = none
	press(k screen.Key) (quit bool)
	stays(how string) bool // the command has ended: is there somebody who wants to look on?
	leave()                // gives the terminal back; may be called at any time
}

// runEnd is how a run ended.
type runEnd struct {
	code       int
	cause      string // of the command; "" = there was none
	unfinished int
}

// openSession opens the database and the server. close releases it all.
func openSession(ctx context.Context, c *Options, set *host.Settings, version string) (*session, error) {
	s := &session{c: c, kept: c.DB != "", logs: make(chan logLine, 256), ended: make(chan error, 1), tell: make(chan os.Signal, 3), gate: newGate()}
	var err error
	lines := &lineWriter{emit: func(line string) { s.logs <- logLine{"sendoff", "stderr", line} }}
	if s.server, err = host.Open(ctx, set, version, set.Log.Logger(lines)); err != nil {
		return nil, err
	}
	s.server.HoldBack(s.gate.open, s.gate.watch)
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: s.server.LocalURL(), APIKey: c.APIKey})
	if err != nil {
		s.server.Close()
		return nil, err
	}
	s.feed = calltree.NewFeed(s.server.Engine, client, func(was, is *calltree.Call) { s.changed(was, is) })
	return s, nil
}

// begin starts the server, which carries nothing out yet.
func (s *session) begin(ctx context.Context, view runView) {
	s.view = view
	s.door = newDoor(s.endpoint)
	go func() { s.ended <- s.server.Run(s.tell) }()
	view.start()
	if s.door != nil {
		s.door.watch(ctx)
		s.gate.releaseAfter(holdStart)
	} else {
		s.gate.release()
	}
}

// lookEvery is how often the calls are looked at; seldomer when a look takes long.
const lookEvery = 100 * time.Millisecond

// loop shows what happens until the end of the app, or of the server.
func (s *session) loop(ctx context.Context, signals <-chan os.Signal) error {
	var over <-chan struct{}
	if s.child != nil {
		over = s.child.done
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			timer.Reset(s.look(ctx))
		case l := <-s.logs:
			s.view.log(l)
		case k := <-s.view.keys():
			if s.view.press(k) && s.stop(syscall.SIGINT) {
				return nil
			}
		case sig := <-signals:
			if s.stop(sig) {
				return nil
			}
		case <-s.up():
			s.met = true
			s.gate.release()
			s.retry(ctx)
		case <-over:
			return nil
		case err := <-s.ended:
			s.ended = nil
			return cmp.Or(err, errors.New("the server ended"))
		}
	}
}

func (s *session) up() <-chan struct{} {
	if s.door == nil {
		return nil
	}
	return s.door.up
}

// look reads the calls and returns when to do it again.
func (s *session) look(ctx context.Context) time.Duration {
	began := time.Now()
	if err := s.feed.Look(ctx); err != nil && ctx.Err() == nil {
		s.view.log(logLine{"sendoff", "stderr", "the calls cannot be read: " + err.Error()})
	}
	s.view.tick(time.Now())
	return max(lookEvery, 10*time.Since(began))
}

// stop passes a signal on to the command. Without a command it is for us.
func (s *session) stop(sig os.Signal) (end bool) {
	s.quit = true
	if s.child == nil {
		return true
	}
	if number, ok := sig.(syscall.Signal); ok {
		s.child.signal(number)
	}
	return false
}

func (s *session) changed(was, is *calltree.Call) {
	s.view.call(was, is)
	if s.door == nil || !refused(is) {
		return
	}
	if s.child == nil || !s.child.ended() {
		s.door.watch(context.Background())
	}
	if is.Endpoint == s.endpoint && !s.met && !s.hinted {
		s.hinted = true
		for _, line := range s.unheard() {
			s.view.log(logLine{"sendoff", "stderr", line})
		}
	}
}

// unheard says why an app may not be where it is called.
func (s *session) unheard() []string {
	lines := []string{"nobody listens on " + s.door.addr + ", where the app is called"}
	if s.child == nil {
		return append(lines, "start the app, or name the URL at which it listens")
	}
	return append(lines,
		"the command was told that address by "+envAddr+", which servers with a port of their own do not read: uvicorn, gunicorn, flask",
		"name their port with --endpoint HOST:PORT, as in: sendoff run -e 127.0.0.1:8000 -- uvicorn main:app --port 8000")
}

// hastyAttempts are tried again without the backoff when the app is back. A call
// that ends the app each time waits longer and longer from then on.
const hastyAttempts = 3

// refused tells whether a call waits because nobody listened, or because the app
// went away while it ran.
func refused(c *calltree.Call) bool {
	gone := c.Cause == task.CauseReset && c.Attempt <= hastyAttempts
	return c.State == sendoff.StateScheduled && (c.Cause == task.CauseRefused || gone)
}

// retry gives calls that lost the app another try at once.
func (s *session) retry(ctx context.Context) {
	for c := range s.feed.Forest.All() {
		if refused(c) && c.Endpoint == s.endpoint {
			_, _ = s.server.Engine.Tasks().RunNow(ctx, c.ID) // it may have begun by itself
		}
	}
}

// signalsOf are those that are passed on to the command.
func signalsOf() (<-chan os.Signal, func()) {
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	return ch, func() { signal.Stop(ch) }
}

func (s *session) variables() []variable {
	return appEnv(s.server.URL(), s.c.APIKey, s.endpoint, s.server.Engine.VerificationKey())
}
