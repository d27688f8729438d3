package sendoff

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// ListenAndServe serves until ctx ends, and then waits up to 10 s for runs under
// way. It closes the endpoint.
func (e *Endpoint) ListenAndServe(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.config.Addr)
	if err != nil {
		return err
	}
	defer e.Close()
	var silent silentConns
	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ConnState: silent.note}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		silent.close()
		stopped <- server.Shutdown(grace)
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// silentConns are connections that have not brought a request: a client opened
// them in advance. [http.Server.Shutdown] would wait five seconds for each.
type silentConns struct {
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (s *silentConns) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != http.StateNew {
		delete(s.open, c)
		return
	}
	if s.open == nil {
		s.open = map[net.Conn]bool{}
	}
	s.open[c] = true
}

func (s *silentConns) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Close()
	}
}
