package dev

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"syscall"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// runCommand is the form with a command.
func (c *Options) runCommand(ctx context.Context, t *term.Terminal, version string) error {
	if _, err := exec.LookPath(c.Command[0]); err != nil {
		return startError(c.Command[0], err)
	}
	dir, err := os.MkdirTemp("", "sendoff-run-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	signals, stop := signalsOf()
	defer stop()
	c.Listen, c.APIKey = cmp.Or(c.Listen, "127.0.0.1:0"), cmp.Or(c.APIKey, randomKey())
	set, err := c.settings(dir)
	if err != nil {
		return err
	}
	s, err := openSession(ctx, c, &set, version)
	if err != nil {
		return err
	}
	defer s.server.Close()
	view := s.newView(t, t.Stdout)
	defer view.leave()
	s.view = quietView{}
	if err := s.feed.Resume(ctx); err != nil {
		return err
	}
	app, err := s.appAddr(ctx)
	if err != nil {
		return err
	}
	s.endpoint = "http://" + app
	s.begin(ctx, view)
	end, err := s.command(ctx, app, signals)
	if err2 := s.finish(ctx, end); err == nil {
		err = err2
	}
	if err == nil && end.code != 0 {
		err = &term.Exit{Code: end.code}
	}
	return err
}

// command runs the command to its end.
func (s *session) command(ctx context.Context, app string, signals <-chan os.Signal) (end runEnd, err error) {
	line := func(stream string) *lineWriter {
		return &lineWriter{emit: func(text string) { s.logs <- logLine{"app", stream, text} }}
	}
	stdout, stderr := line("stdout"), line("stderr")
	env := withEnv(os.Environ(), commandEnv(s.server.URL(), s.c.APIKey, app, s.server.Engine.VerificationKey()))
	if s.child, err = startChild(s.c.Command, env, stdout, stderr); err != nil {
		return runEnd{code: term.ExitError}, err
	}
	err = s.loop(ctx, signals)
	if err != nil {
		s.child.signal(syscall.SIGKILL)
	}
	for !s.child.ended() {
		select {
		case l := <-s.logs:
			s.view.log(l)
		case <-s.child.done:
		}
	}
	s.child.clean()
	s.drainLogs()
	_, _ = stdout.Close(), stderr.Close() // a last line each
	s.drainLogs()
	if err != nil {
		return runEnd{code: term.ExitError, cause: s.child.cause}, err
	}
	return runEnd{code: s.child.code, cause: s.child.cause}, nil
}
