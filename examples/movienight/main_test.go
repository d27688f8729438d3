package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// printed is what a run of several goroutines prints.
type printed struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func TestTheEveningGoesAsItsKnobsSay(t *testing.T) {
	for args, want := range map[string]struct {
		code int
		line string // that is printed, or the error
	}{
		"":                            {jobgraph.ExitReached, "WatchMovie.check: pass"},
		"-parallel 1":                 {jobgraph.ExitReached, "Popcorn.recheck: pass"},
		"-battery dead":               {jobgraph.ExitMissed, `TurnOnTV.recheck: fail "the batteries of the remote are dead"`},
		"-couch taken":                {jobgraph.ExitMissed, `SitOnCouch.recheck: fail "no space on the couch"`},
		"-bowl-try 9":                 {jobgraph.ExitMissed, `PopcornBowl.recheck: fail "the dishwasher is not done yet"`},
		"-popcorn-try 6 -pizza-try 4": {jobgraph.ExitMissed, `Pizza.recheck: fail "the pizza is not here yet"`},
		"-movie Zardoz":               {jobgraph.ExitMissed, "ValidateMovie.check: fail"},
		"-guests Ada":                 {jobgraph.ExitReached, "    Invite Ada: Dear Ada, we watch Brazil on Friday."},
		"-plan":                       {jobgraph.ExitReached, "TurnOnTV             in place"},
		"-battery flat":               {jobgraph.ExitRefused, `-battery "flat": want full or dead`},
		"-guests Ada,Ada":             {jobgraph.ExitRefused, "two jobs of this name"},
	} {
		out := &printed{}
		code, err := run(t.Context(), strings.Fields(args+" -retry-delay 0"), out)
		text := out.text.String()
		if err != nil {
			text += err.Error() + "\n"
		}
		require.Equal(t, want.code, code, "%s: %s", args, text)
		require.Contains(t, text, want.line, args)
	}
}

func TestTheEveningIsDrawn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "evening.svg")
	code, err := run(t.Context(), []string{"-retry-delay", "0", "-svg", file}, &printed{})
	require.NoError(t, err)
	require.Equal(t, jobgraph.ExitReached, code)
	svg, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(svg), "WatchMovie")
}
