// Package health is sendoff health: whether a server works, as an exit code for the checks of
// containers. It needs no API key.
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
	Live    bool          `help:"Ask only whether the process answers, as /livez does, whatever its database does."`
	Timeout time.Duration `default:"5s" help:"How long the answer is waited for."`
	JSON    bool          `name:"json" help:"Print JSON."`
}

// answer is what --json prints.
type answer struct {
	URL    string `json:"url"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why it is not
}

// Help is printed under the flags.
func (Command) Help() string {
	return `Asks /readyz: the server has started, is not stopping, holds its lease, and its database answers.
Ends with 0 when it is so and with 1 otherwise.`
}

// Run asks once.
func (c *Command) Run(ctx context.Context, t *term.Terminal) error {
	if c.Timeout <= 0 {
		return term.Usage("--timeout %s: want a duration such as 5s", c.Timeout)
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
