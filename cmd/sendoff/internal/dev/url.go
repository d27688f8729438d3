package dev

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// serveURL is the form with the URL of an app that is somebody else's to start.
func (c *Options) serveURL(ctx context.Context, t *term.Terminal, version string) error {
	dir, err := os.MkdirTemp("", "sendoff-run-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c.Listen = cmp.Or(c.Listen, host.Defaults().Listen.Addr)
	set, err := c.urlSettings(dir)
	if err != nil {
		return err
	}
	endpoint := strings.TrimSuffix(c.Command[0], "/")
	if c.PrintEnv {
		verify, err := set.VerificationKey(ctx)
		if err != nil {
			return err
		}
		t.Printf("%s\n", strings.Join(exports(appEnv("http://"+c.Listen, c.APIKey, endpoint, verify)), "\n"))
		return nil
	}
	signals, stop := signalsOf()
	defer stop()
	s, err := openSession(ctx, c, &set, version)
	if err != nil {
		return err
	}
	defer s.server.Close()
	s.endpoint = endpoint
	s.view = quietView{}
	if err := s.feed.Resume(ctx); err != nil {
		return err
	}
	s.lost = slices.DeleteFunc(s.expected(), func(e string) bool { return e == endpoint })
	if !c.JSON {
		t.Printf("%s\n", strings.Join(exports(s.variables()), "\n"))
	}
	view := s.newView(t, t.Stderr)
	defer view.leave()
	s.begin(ctx, view)
	err = s.loop(ctx, signals)
	if err2 := s.finish(ctx, runEnd{}); err == nil {
		err = err2
	}
	return err
}

// urlSettings are those of the server. A key that everybody can guess is for
// this machine only.
func (c *Options) urlSettings(dir string) (host.Settings, error) {
	given := c.APIKey != ""
	c.APIKey = cmp.Or(c.APIKey, "test")
	set, err := c.settings(dir)
	if err != nil {
		return set, err
	}
	_, local, err := set.Listen.Resolve()
	if err != nil {
		return set, err
	}
	if !local && !given {
		return set, term.Usage("--listen %s can be reached from other machines: give a key of your own with --api-key", c.Listen)
	}
	if u, err := url.Parse(c.Command[0]); err == nil && newDoor(c.Command[0]) == nil {
		set.Outbound.AllowEgress = append(set.Outbound.AllowEgress, u.Hostname())
	}
	return set, nil
}
