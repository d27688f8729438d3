package host

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// What systemd does for a service: it hands it a socket, is told when it is ready and when it
// stops, and starts it anew when it is silent. Elsewhere none of it does anything. See
// sd_listen_fds(3) and sd_notify(3).

// handed is the socket that systemd listens on in our place; nil = there is none, and
// --listen counts.
func handed() (net.Listener, error) {
	all, err := activation.Listeners()
	if err != nil || len(all) == 0 {
		return nil, err
	}
	for _, l := range all[1:] {
		_ = l.Close()
	}
	if len(all) > 1 || all[0] == nil {
		return nil, fmt.Errorf("systemd hands over %d sockets: want one ListenStream=", len(all))
	}
	if _, ok := all[0].Addr().(*net.TCPAddr); !ok {
		return nil, fmt.Errorf("systemd hands over the socket %s: want one of TCP, such as ListenStream=127.0.0.1:4450", all[0].Addr())
	}
	return all[0], nil
}

// notify tells systemd what becomes of the service.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// tellSystemd says when the server is ready, and then that it goes on, until ctx ends.
func (s *Server) tellSystemd(ctx context.Context) {
	for s.Engine.Ready(ctx) != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	notify(daemon.SdNotifyReady)
	watchdog(ctx)
}

// watchdog tells systemd that the process lives, as often as WatchdogSec asks for, until ctx
// ends. A database that does not answer is no reason to be started anew.
func watchdog(ctx context.Context) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	tick := time.NewTicker(every / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			notify(daemon.SdNotifyWatchdog)
		}
	}
}
