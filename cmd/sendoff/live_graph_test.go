package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// holdingGraph has a job that goes on until there is a file.
const holdingGraph = `
tries: 2
retry_delay: 0
jobs:
  Goal: {deps: [Holds, Done, Broken]}
  Holds: {run: {shell: "echo it holds; until test -e go; do sleep 0.05; done"}, cleanup: [touch, cleaned]}
  Done: {check: ["true"]}
  Broken: {check: {shell: "echo no luck >&2; exit 1"}, deps: [Done]}
`

// graphInTerminal runs it there.
func graphInTerminal(t *testing.T) (*pane, string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "graph.yaml"), []byte(holdingGraph), 0o600))
	return inTerminal(t, "cd "+dir+"; XDG_STATE_HOME="+dir+" sendoff graph run graph.yaml --parallel 2"), dir
}

func TestAGraphIsATreeOnATerminal(t *testing.T) {
	p, dir := graphInTerminal(t)
	p.until("JOB ", "  Holds ", "running run", "failed  no luck", "in place", "Holds | it holds", "Goal: 4 jobs, 1 in place, 1 running, 1 failed, 1 blocked", "q cancel")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o600))
	screen := p.until("exit code 1", "achieved", "Goal: not reached in")
	require.NotContains(t, screen, "q cancel", "the terminal is as it was, with the tree left on it")
}

func TestCtrlCCancelsAGraphAndStillCleansUp(t *testing.T) {
	p, dir := graphInTerminal(t)
	p.until("Holds | it holds")
	p.press("C-c")
	p.until("exit code 1", "canceled  interrupted", "1 cleanup")
	require.FileExists(t, filepath.Join(dir, "cleaned"))
}

// TestAGraphOfAServerIsATreeOnATerminal: as one of this process; who leaves it leaves it
// running.
func TestAGraphOfAServerIsATreeOnATerminal(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "graph.yaml"), []byte("name: held\n"+holdingGraph), 0o600))
	p := inTerminal(t, fmt.Sprintf(`cd %s; export SENDOFF_URL=http://%s; sendoff serve --db x.db --listen %s --process-commands any >log 2>&1 & echo $! >pid
until sendoff nodes >/dev/null 2>&1; do sleep 0.05; done; sendoff graph run --server graph.yaml --parallel 2`, dir, addr, addr))
	t.Cleanup(func() { _ = exec.Command("sh", "-c", "kill $(cat "+dir+"/pid)").Run() })
	p.until("JOB ", "  Holds ", "running", "failed  no luck", "in place", "Broken | no luck", "Goal: 4 jobs, 1 in place, 1 running, 1 failed, 1 blocked", "q leave it running")
	p.press("q")
	p.until("exit code 130", "the run goes on: sendoff graph get")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o600))
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `SENDOFF_URL=http://`+addr+`; export SENDOFF_URL
id=$(sendoff graph runs held --json | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p'); sendoff graph get --wait "$id"`).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Regexp(t, `Holds +achieved`, string(out))
}
