package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// printed is what a command of the program prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out, bad bytes.Buffer
	require.Equal(t, term.ExitOK, run(t.Context(), args, &out, &bad), bad.String())
	return out.String()
}

func TestWhatCanStandNextIsReadFromTheGrammar(t *testing.T) {
	for line, want := range map[string]string{
		"que":                     "queues",
		"tasks li":                "list",
		"queues se":               "set",
		"tasks list --st":         "--started-after --started-before --state",
		"tasks list --state su":   "succeeded suspended",
		"tasks list -q x --state": "--state",
		"serve --log-level ":      "debug error info warn",
		"serve --console=":        "--console=off --console=on --console=read",
		"serve --console = o":     "off on", // as bash has it
		"serve --console =":       "off on read",
		"serve --db ":             "",
		"completion z":            "zsh",
		"nonsense ":               "",
		"tasks --help li":         "list",
	} {
		got := strings.Fields(printed(t, append([]string{"__complete"}, strings.Split(line, " ")...)...))
		if line == "nonsense " {
			require.Contains(t, got, "serve", "what is no command is passed over")
			continue
		}
		require.Equal(t, want, strings.Join(got, " "), line)
	}
	require.NotContains(t, printed(t, "__complete"), "__complete")
}

func TestTheManualPageNamesEveryCommand(t *testing.T) {
	page := printed(t, "man")
	for _, line := range strings.Fields(printed(t, "__complete")) {
		require.Contains(t, page, ".SS sendoff "+strings.ReplaceAll(line, "-", `\-`))
	}
	require.Contains(t, page, `(SENDOFF_LISTEN)`)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := printed(t, "completion", shell)
		if path, err := exec.LookPath(shell); err == nil {
			cmd := exec.Command(path, "-n")
			cmd.Stdin = strings.NewReader(script)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s: %s", shell, out)
		}
	}
}
