//go:build linux

package compat_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// app is a Python program that serves functions. What its functions do besides
// leaves marks in files.
type app struct {
	*process
	sdk    sdk
	server *server
	addr   string   // that it listens on
	url    string   // by which the server calls it
	code   string   // directory of its modules
	marks  string   // directory of its marks
	env    []string // besides
	args   []string
}

// newApp prepares an app, which start starts.
func newApp(t *testing.T, sdk sdk, s *server, args ...string) *app {
	t.Helper()
	a := &app{sdk: sdk, server: s, addr: freeAddr(t), code: sdk.apps, marks: t.TempDir(), args: args}
	a.url = "http://" + a.addr
	a.process = newProcess(t, "app")
	return a
}

// startApp starts an app with dispatch-py 0.8.0.
func startApp(t *testing.T, s *server) *app {
	t.Helper()
	a := newApp(t, environment(t, "py08"), s, "-c", "import app, dispatch; dispatch.run_forever()")
	a.start()
	return a
}

func (a *app) python(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(a.sdk.dir, "bin", "python"), args...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+a.code, "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "MARKS="+a.marks,
		"DISPATCH_API_URL="+a.server.url(), "DISPATCH_API_KEY="+apiKey, "DISPATCH_ENDPOINT_URL="+a.url, "DISPATCH_ENDPOINT_ADDR="+a.addr)
	cmd.Env = append(cmd.Env, a.env...)
	return cmd
}

// start starts it, again after kill, and returns when it listens.
func (a *app) start() {
	a.t.Helper()
	a.process.start(a.python(a.args...))
	waitFor(a.t, "the app listens", func() bool {
		a.mustRun()
		c, err := net.DialTimeout("tcp", a.addr, time.Second)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

// mark writes a mark that functions wait for.
func (a *app) mark(name string) {
	a.t.Helper()
	require.NoError(a.t, os.WriteFile(filepath.Join(a.marks, name), []byte("x\n"), 0o600))
}

// marked returns how often functions left a mark.
func (a *app) marked(name string) int {
	b, _ := os.ReadFile(filepath.Join(a.marks, name))
	return strings.Count(string(b), "\n")
}

// outside is a Python program of its own that imports the app and dispatches
// calls, as the producers of an app do.
type outside struct {
	*process
	in  io.Writer
	out *bufio.Reader
}

func (a *app) outside(t *testing.T, env ...string) *outside {
	t.Helper()
	o := &outside{process: newProcess(t, "outside")}
	cmd := a.python(filepath.Join(a.sdk.apps, "outside.py"))
	cmd.Env = append(cmd.Env, env...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	cmd.Stdout = w
	o.in, o.out = in, bufio.NewReader(r)
	o.process.start(cmd)
	w.Close()
	return o
}

// answer is what the program outside says to a command.
type answer struct {
	IDs     []string `json:"ids"`
	Error   string   `json:"error"`
	Message string   `json:"message"`
	Value   any      `json:"value"`
}

func (o *outside) ask(command map[string]any) answer {
	o.t.Helper()
	b, err := json.Marshal(command)
	require.NoError(o.t, err)
	_, err = fmt.Fprintf(o.in, "%s\n", b)
	require.NoError(o.t, err)
	line, err := o.out.ReadString('\n')
	require.NoError(o.t, err, "the program outside is gone:\n%s", tail(o.log.Name(), 4000))
	var got answer
	require.NoError(o.t, json.Unmarshal([]byte(line), &got), line)
	return got
}

// dispatch calls a function and returns the id of the call.
func (o *outside) dispatch(function string, args ...any) string {
	o.t.Helper()
	return o.batch([]any{function, append([]any{}, args...)})[0]
}

// batch dispatches several calls at a time: each a function and its arguments.
func (o *outside) batch(calls ...[]any) []string {
	o.t.Helper()
	got := o.ask(map[string]any{"calls": calls})
	require.Empty(o.t, got.Error, got.Message)
	require.Len(o.t, got.IDs, len(calls))
	return got.IDs
}
