package graph

import (
	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// remote are the flags of the commands that ask a server.
type remote struct {
	URL    string `name:"url" env:"SENDOFF_URL" placeholder:"URL" help:"The server; default http://127.0.0.1:4450."`
	APIKey string `name:"api-key" env:"SENDOFF_API_KEY" placeholder:"KEY" help:"API key, when the server wants one."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

func (r *remote) client() (*sendoff.Client, error) {
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: r.URL, APIKey: r.APIKey, UserAgent: "sendoff-cli", Resends: 2})
	if err != nil {
		return nil, &term.Exit{Code: term.ExitUsage, Err: err}
	}
	return c, nil
}

// items is how what is several is printed as JSON: as the API does.
type items[T any] struct {
	Items []T `json:"items"`
}
