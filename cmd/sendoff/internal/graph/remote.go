package graph

import (
	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// remote are the flags of the commands that ask a server.
type remote struct{ term.Remote }

func (r *remote) client() (*sendoff.Client, error) { return r.Connect("sendoff-cli") }
