package graph

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted is why jobs end canceled that somebody has stopped.
var errInterrupted = errors.New("interrupted")

// interruptible returns a context that the first SIGINT or SIGTERM ends; a second one calls
// atOnce and ends the process, with 130 as shells do. interrupt does what a signal does,
// and stop gives all back.
func interruptible(ctx context.Context, atOnce func()) (_ context.Context, interrupt, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for asked := 0; ; asked++ {
			select {
			case <-done:
				return
			case <-signals:
			}
			if asked > 0 {
				atOnce()
				os.Exit(exitKilled)
			}
			cancel(errInterrupted)
		}
	}()
	interrupt = func() {
		select {
		case signals <- os.Interrupt:
		default: // two are on their way
		}
	}
	return ctx, interrupt, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

const exitKilled = 128 + int(syscall.SIGINT)
