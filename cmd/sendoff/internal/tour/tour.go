// Package tour is sendoff demo: a server, an app, and tasks of all kinds, of which
// it is known what should become of them. It is a client as users' programs are.
package tour

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/engine"
)

// Options are the flags of sendoff demo.
type Options struct {
	Once   bool   `help:"End after the tour, also on a terminal."`
	Listen string `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Address on this machine; default a free port."`
	DB     string `name:"db" placeholder:"FILE|URL" help:"Keep the tasks there; default a temporary SQLite file."`
}

// Help is printed under the flags.
func (Options) Help() string {
	return `Starts a server and a small HTTP app, submits some hundred tasks of all kinds, shows what becomes of them,
and ends with code 0 when that is what should have become of them.`
}

// demoPatience is how long the tasks of the demo may take.
const demoPatience = 60 * time.Second

// Run gives the tour.
func (c *Options) Run(ctx context.Context, t *term.Terminal, version string) error {
	dir, err := os.MkdirTemp("", "sendoff-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := c.settings(dir)
	log := slog.New(slog.NewTextHandler(t.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	server, err := host.Open(ctx, &s, version, log)
	if err != nil {
		return err
	}
	defer server.Close()
	d := &demo{t: t, server: server, mark: fmt.Sprintf("%d", time.Now().UnixNano())}
	engine.Handle(server.Engine, "demo.greet", d.greet)

	signals, ended := make(chan os.Signal, 3), make(chan error, 1)
	go func() { ended <- server.Run(signals) }()
	tourErr := d.tour(ctx, s.DB.DSN, ended)
	if tourErr == nil && t.Live && !c.Once {
		t.Printf("\nThe server goes on until Ctrl-C.\n")
		select {
		case <-ctx.Done():
		case err := <-ended:
			return err
		}
	}
	signals <- os.Interrupt
	select {
	case err = <-ended:
	case <-time.After(10 * time.Second):
		err = errors.New("the server did not stop within 10 s")
	}
	if d.app != nil {
		d.app.close()
	}
	return errors.Join(tourErr, err)
}

func (c *Options) settings(dir string) host.Settings {
	s := host.Defaults()
	s.Listen.Addr = c.Listen
	s.DB.DSN, s.DB.Migrate = cmp.Or(c.DB, filepath.Join(dir, "demo.db")), true
	s.Node.Grace = 2 * time.Second
	if s.DB.Postgres() {
		s.Outbound.KeysFile = filepath.Join(dir, "keys")
	}
	return s
}

// greet is the Go handler of the tour.
func (d *demo) greet(_ context.Context, args struct{ Name string }) error {
	if args.Name == "" {
		return sendoff.Permanent(errors.New("nobody to greet"))
	}
	return nil
}

func (d *demo) tour(ctx context.Context, db string, ended <-chan error) (err error) {
	if d.client, err = sendoff.NewClient(sendoff.ClientConfig{URL: d.server.URL(), Resends: 2}); err != nil {
		return err
	}
	if d.app, err = startDemoApp(d.server.URL()); err != nil {
		return err
	}
	if err := d.ready(ctx, ended); err != nil {
		return err
	}
	d.began = time.Now()
	d.t.Printf("Sendoff at %s, database %s\nAn app at %s answers 200, 500, 429, 422, and slowly. Every push is signed and verified.\n\n",
		d.server.URL(), host.Redacted(db), d.app.url)
	limited, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	if err := d.submit(limited); err != nil {
		return fmt.Errorf("submit the tasks of the demo: %w", err)
	}
	if err := d.watch(limited); err != nil {
		return fmt.Errorf("watch the tasks of the demo: %w", err)
	}
	return d.summary(limited)
}

// ready waits until the server takes part in the work.
func (d *demo) ready(ctx context.Context, ended <-chan error) error {
	for range 200 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.server.URL()+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return fmt.Errorf("the server ended: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("the server was not ready within 10 s")
}
