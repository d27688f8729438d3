package host

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Debug is how the process itself is looked into.
type Debug struct {
	Addr string `name:"debug-listen" env:"SENDOFF_DEBUG_LISTEN" placeholder:"HOST:PORT" help:"Address on this machine for profiles of the process (pprof), such as 127.0.0.1:6060. Default: none."`
}

// resolve refuses an address that other machines reach: profiles hold payloads and keys, and
// nobody is asked for one.
func (d *Debug) resolve() (*net.TCPAddr, error) {
	addr, err := net.ResolveTCPAddr("tcp", d.Addr)
	if err != nil {
		return nil, term.Usage("--debug-listen %s: %w: want HOST:PORT, such as 127.0.0.1:6060", d.Addr, err)
	}
	if !addr.IP.IsLoopback() {
		return nil, term.Usage("--debug-listen %s can be reached from other machines, and profiles hold what is in memory: want an address of this one, such as 127.0.0.1:6060", d.Addr)
	}
	return addr, nil
}

func (d *Debug) check() error {
	if d.Addr == "" {
		return nil
	}
	_, err := d.resolve()
	return err
}

// Serve serves profiles until it is stopped, at an address of their own, so that they are there
// when the API is not. Without one it does nothing.
func (d *Debug) Serve(log *slog.Logger) (stop func(), err error) {
	if d.Addr == "" {
		return func() {}, nil
	}
	addr, err := d.resolve()
	if err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--debug-listen %s: %w", d.Addr, err)
	}
	server := &http.Server{Handler: profiles(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("profiles are not served any more", "err", err)
		}
	}()
	log.Info("serving profiles", "address", "http://"+l.Addr().String()+"/debug/pprof/")
	return func() { _ = server.Close() }, nil
}

// profiles answers who asks for this machine by a name of its own: not a page in a browser
// that has given it another one.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
			http.Error(w, "ask for 127.0.0.1 or localhost", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
