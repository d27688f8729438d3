package dev

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// newView chooses how a run is shown.
func (s *session) newView(t *term.Terminal, out io.Writer) runView {
	if s.c.JSON {
		return newJSONView(s, t.Stdout)
	}
	if t.Live && !s.c.Plain && isatty.IsTerminal(os.Stdin.Fd()) {
		return newLiveRun(t, s)
	}
	to := *t
	to.Stdout = out
	return &plainView{t: &to, stderr: t.Stderr, s: s}
}
