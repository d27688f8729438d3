package term

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/sendoff-dev/sendoff"
)

// Remote are the flags of every client command.
type Remote struct {
	URL    string `name:"url" env:"SENDOFF_URL" placeholder:"URL" help:"The server; default http://127.0.0.1:4450."`
	APIKey string `name:"api-key" env:"SENDOFF_API_KEY" placeholder:"KEY" help:"API key, when the server wants one."`
	CA     string `name:"ca" env:"SENDOFF_CA" placeholder:"FILE" help:"Authorities that vouch for the server besides those of this machine, PEM."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Page is the address of a task in the console of the server.
func (r *Remote) Page(id string) string {
	return strings.TrimRight(cmp.Or(r.URL, sendoff.DefaultURL), "/") + "/tasks/" + url.PathEscape(id)
}

// Connect returns a client of the server that the flags name, which calls itself agent.
func (r *Remote) Connect(agent string) (*sendoff.Client, error) {
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: r.URL, APIKey: r.APIKey, CAFile: r.CA, UserAgent: agent, Resends: 2})
	if err != nil {
		return nil, &Exit{Code: ExitUsage, Err: err}
	}
	return c, nil
}
