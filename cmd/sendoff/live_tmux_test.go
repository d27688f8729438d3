package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pane is a real terminal of 100 by 40.
type pane struct {
	t      *testing.T
	socket string
}

// inTerminal starts a command line in a terminal.
func inTerminal(t *testing.T, line string) *pane {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("needs tmux")
	}
	p := &pane{t, fmt.Sprintf("sendoff-test-%d-%d", os.Getpid(), time.Now().UnixNano())}
	t.Cleanup(func() { _ = exec.Command("tmux", "-L", p.socket, "kill-server").Run() })
	p.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", line+"; echo exit code $?; sleep 60")
	return p
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "tmux", append([]string{"-L", p.socket}, args...)...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	require.NoError(p.t, err, string(out))
	return string(out)
}

func (p *pane) press(keys ...string) { p.tmux(append([]string{"send-keys"}, keys...)...) }

// until waits for texts to be on the screen, all at once.
func (p *pane) until(texts ...string) string {
	p.t.Helper()
	var screen string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		screen = p.tmux("capture-pane", "-p")
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(screen, text)
		}
		if !missing {
			return screen
		}
	}
	p.t.Fatalf("the screen does not show %q:\n%s", texts, screen)
	return ""
}

func TestTheCallsAreShownOnATerminal(t *testing.T) {
	p := inTerminal(t, "sendoff run --stay -- pipeline")
	screen := p.until("FUNCTION", "sum_of_page", "22 calls: 22 succeeded", "the command exited with code 0", "app | the pipeline returned 360")
	require.Equal(t, 3, strings.Count(screen, "─ sum_of_page"), screen)
	require.Equal(t, 15, strings.Count(screen, "─ double"), screen)
	p.press("Home")
	p.until("> pipeline")
	p.press("Down")
	p.until("> ├─ sum_of_page")
	p.press("Up", "Enter")
	p.until("call      pipeline", "input     3", "result    360", "LATENCY", "suspend", "esc back")
	p.press("Escape")
	p.until("> pipeline")
	p.press("Tab")
	p.until("LOGS", "app | the pipeline returned 360", "tab tree")
	p.tmux("resize-window", "-x", "60", "-y", "20")
	p.press("Tab")
	p.until("FUNCTION", "22 calls")
	p.tmux("resize-window", "-x", "100", "-y", "40")
	p.press("q")
	p.until("app | the pipeline returned 360", "22 calls, 22 succeeded; the command exited with code 0", "exit code 0")
}

func TestTheLiveViewPassesItsKeysOn(t *testing.T) {
	p := inTerminal(t, "sendoff run -- sh -c 'trap \"\" INT; echo started; while :; do sleep 0.05; done'")
	p.until("app | started", "no calls yet")
	p.press("C-c")
	p.until("stopping; q again kills")
	p.press("q")
	p.until("the command ended by signal killed", "exit code 137")
}

func TestTheLiveViewGivesTheVariablesOfAnApp(t *testing.T) {
	p := inTerminal(t, "XDG_CONFIG_HOME="+t.TempDir()+" sendoff run --listen 127.0.0.1:0 http://127.0.0.1:1")
	p.until("no calls yet", "Set these where your app is started:", `export DISPATCH_ENDPOINT_URL="http://127.0.0.1:1"`)
	p.press("q")
	p.until("export DISPATCH_API_URL=", "0 calls", "exit code 0")
}

func TestCallsAreSteeredOnATerminal(t *testing.T) {
	p := inTerminal(t, "sendoff run --stay -- stepper wait")
	p.until("order(17)", "step reserve", `succeeded  {"item":17}`, "step charge", `refuse("please")`, "step notify", "no such mailbox", "2 calls: 1 suspended, 1 failed")
	p.press("f")
	screen := p.until("only what failed, of 2 calls", "order(17)", "refuse", "step notify")
	require.NotContains(t, screen, "step charge")
	p.press("f")
	p.until("step charge")
	p.press("Home", "Left")
	screen = p.until("> order(17) [+4]")
	require.NotContains(t, screen, "step charge")
	p.press("Right")
	p.until("step charge")
	p.press("Enter")
	p.until("input     17", "ATTEMPTS  STEP", "3  charge", "no such mailbox", "esc back")
	p.press("Escape")
	p.until("> order(17)")
	p.press("c")
	p.until("cancel order with the calls made for it?  y yes")
	p.press("n")
	p.until("2 calls: 1 suspended, 1 failed")
	p.press("c", "y")
	p.until("canceled order", "canceled (requested)")
	p.press("c")
	p.until("order has ended: there is nothing to cancel")
	p.press("r")
	p.until("begins again: order")
	p.press("q")
	p.until("exit code")
}

func TestWorkersAreShownOnATerminal(t *testing.T) {
	dir, url := t.TempDir(), "http://"+freeAddress(t)
	p := inTerminal(t, fmt.Sprintf(`cd %s; export SENDOFF_URL=%s; sendoff serve --db x.db --listen ${SENDOFF_URL#http://} --process-allow time >log 2>&1 & echo $! >pid
until sendoff nodes >/dev/null 2>&1; do sleep 0.05; done; sendoff workers`, dir, url))
	t.Cleanup(func() { _ = exec.Command("sh", "-c", "kill $(cat "+dir+"/pid)").Run() })
	p.until("WORKER", "idle", "q ends")
	out, err := exec.CommandContext(t.Context(), "sendoff", "enqueue", "--url", url, "--process", "time.sleep", "--payload", "600").CombinedOutput()
	require.NoError(t, err, string(out))
	p.until("running", "time.sleep", "q ends")
	p.press("q")
	p.until("exit code 0", "time.sleep")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
