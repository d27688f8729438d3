package dev

import (
	"context"
	"os"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// finish waits for calls that can still go on, stops the server, and shows the
// end.
func (s *session) finish(ctx context.Context, end runEnd) error {
	if s.child != nil && s.ended != nil && !s.quit {
		s.outlast(ctx)
		s.stay(ctx, end)
	}
	s.feed.GlanceAll()
	s.tell <- os.Interrupt
	var err error
	for s.ended != nil {
		select {
		case err = <-s.ended:
			s.ended = nil
		case l := <-s.logs:
			s.view.log(l)
		case <-time.After(lookEvery):
			s.look(ctx)
		}
	}
	s.drainLogs()
	s.look(ctx)
	end.unfinished = s.feed.Forest.Open()
	s.view.close(end)
	return err
}

// stay goes on showing what there was, until somebody has seen enough.
func (s *session) stay(ctx context.Context, end runEnd) {
	signals, stop := signalsOf()
	defer stop()
	for s.c.Stay && s.view.stays(end.cause) {
		select {
		case k := <-s.view.keys():
			if s.view.press(k) {
				return
			}
		case l := <-s.logs:
			s.view.log(l)
		case <-time.After(lookEvery):
			s.look(ctx)
		case <-signals:
			return
		}
	}
}

// drainLogs shows the lines that have come.
func (s *session) drainLogs() {
	for {
		select {
		case l := <-s.logs:
			s.view.log(l)
		default:
			return
		}
	}
}

// outlast waits, for the grace, while there are calls under way that do not need
// the app.
func (s *session) outlast(ctx context.Context) {
	for end := time.Now().Add(s.c.Grace); time.Now().Before(end) && ctx.Err() == nil; {
		s.drainLogs()
		s.look(ctx)
		if s.server.Engine.InFlight() == 0 && !s.others() {
			return
		}
		pause(ctx, lookEvery)
	}
}

func (s *session) others() bool {
	for c := range s.feed.Forest.All() {
		if c.Endpoint != s.endpoint && (c.State == sendoff.StateReady || c.State == sendoff.StateRunning) {
			return true
		}
	}
	return false
}
