package graph

import (
	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// remote are the flags of the commands that ask a server.
type remote struct{ term.Remote }

func (r *remote) client() (*sendoff.Client, error) { return r.Connect("sendoff-cli") }

// items is how what is several is printed as JSON: as the API does.
type items[T any] struct {
	Items []T `json:"items"`
}
