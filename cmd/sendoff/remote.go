package main

import (
	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// remote are the flags of every client command.
type remote struct{ term.Remote }

func (r *remote) client() (*sendoff.Client, error) { return r.Connect("sendoff-cli/" + version) }
