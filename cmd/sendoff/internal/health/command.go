// Package health is sendoff health: whether a server works, as an exit code for the checks of
// containers, and with --checks what is wrong with it and its database.
package health

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/internal/tlsfile"
)

// Command is the grammar of sendoff health.
type Command struct {
	URL     string        `name:"url" env:"SENDOFF_URL" placeholder:"URL" help:"The server; default http://127.0.0.1:4450."`
	CA      string        `name:"ca" env:"SENDOFF_CA" placeholder:"FILE" help:"Authorities that vouch for the server besides those of this machine, PEM."`
	APIKey  string        `name:"api-key" env:"SENDOFF_API_KEY" placeholder:"KEY" help:"API key for --checks, when the server wants one; nothing else needs it."`
	Checks  bool          `help:"Make the checks of sendoff doctor on the server and its database, and print those that found something."`
	All     bool          `short:"a" help:"With --checks: print those that found nothing as well."`
	Live    bool          `help:"Ask only whether the process answers, as /livez does, whatever its database does."`
	Timeout time.Duration `default:"5s" help:"How long the answer is waited for; with --checks 25s at least."`
	JSON    bool          `name:"json" help:"Print JSON."`
}

// checksTake is for how long the checks of a server are waited for at least.
const checksTake = 25 * time.Second

// answer is what --json prints.
type answer struct {
	URL    string `json:"url"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why it is not
}

// Help is printed under the flags.
func (Command) Help() string {
	return `Asks /readyz: the server has started, is not stopping, holds its lease, and its database answers.
Ends with 0 when it is so and with 1 otherwise.

With --checks it asks /v1/health, for which an API key needs the scope read: the checks of sendoff doctor, on the database of the
running server, which leaves those out that take too long. Ends with 0 when no check failed (there may be warnings), and with 1 otherwise.`
}

// Run asks once.
func (c *Command) Run(ctx context.Context, t *term.Terminal) error {
	if c.Timeout <= 0 {
		return term.Usage("--timeout %s: want a duration such as 5s", c.Timeout)
	}
	if c.Checks {
		return c.look(ctx, t)
	}
	path := "/readyz"
	if c.Live {
		path = "/livez"
	}
	a := answer{URL: strings.TrimRight(cmp.Or(c.URL, sendoff.DefaultURL), "/") + path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, http.NoBody)
	if err != nil || req.URL.Host == "" {
		return term.Usage("--url %q: want the address of a server, such as %s", c.URL, sendoff.DefaultURL)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	failure := ask(client, req)
	if a.OK = failure == nil; !a.OK {
		a.Reason = failure.Error()
	}
	if !c.JSON {
		if a.OK {
			t.Printf("ok\n")
		}
		return failure
	}
	if err := t.JSON(a); err != nil || a.OK {
		return err
	}
	return &term.Exit{Code: term.ExitError}
}

// look prints what is wrong with the server and its database.
func (c *Command) look(ctx context.Context, t *term.Terminal) error {
	if c.Live {
		return term.Usage("--live asks nothing of the database: leave it or --checks out")
	}
	remote := term.Remote{URL: c.URL, APIKey: c.APIKey, CA: c.CA}
	client, err := remote.Connect("sendoff-cli")
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, max(c.Timeout, checksTake))
	defer cancel()
	found, err := client.Health(limited)
	if err != nil {
		return err
	}
	if c.JSON {
		err = t.JSON(found)
	} else {
		t.Health(client.URL(), found, c.All)
	}
	if err == nil && !found.OK {
		return &term.Exit{Code: term.ExitError}
	}
	return err
}

func (c *Command) client() (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if c.CA != "" {
		roots, err := tlsfile.Roots(c.CA)
		if err != nil {
			return nil, term.Usage("--ca: %w", err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Timeout: c.Timeout, Transport: transport}, nil
}

// ask says what is wrong; nil = nothing.
func ask(client *http.Client, req *http.Request) error {
	res, err := client.Do(req) //nolint:gosec // the address is what the command is for
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
	said := strings.TrimSpace(string(text))
	switch {
	case res.StatusCode == http.StatusOK && said == "ok":
		return nil
	case res.StatusCode == http.StatusOK:
		return fmt.Errorf("%s is no server of Sendoff", req.URL)
	case res.StatusCode == http.StatusServiceUnavailable && said != "":
		return errors.New(term.Clean(said))
	}
	return fmt.Errorf("%s: %s", req.URL, res.Status)
}
