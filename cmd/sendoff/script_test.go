package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts in testdata run the real program as processes of its own.
func TestMain(m *testing.M) {
	testscript.Main(withPipeline{m}, map[string]func(){
		"sendoff": main,
		"stepper": stepper,
		"app":     func() { fmt.Fprintln(os.Stderr, runApp(os.Args[1], os.Args[2:])); os.Exit(1) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			examples, err := filepath.Abs("../../examples")
			env.Setenv("EXAMPLES", examples)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"address":   cmdAddress,
			"page":      cmdPage,
			"reachable": cmdReachable,
			"terminate": cmdTerminate,
			"until":     cmdUntil,
		},
	})
}

// cmdAddress sets variables to free addresses on this machine.
func cmdAddress(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		ts.Setenv(name, l.Addr().String())
		ts.Check(l.Close())
	}
}

// cmdTerminate sends SIGTERM, which kill does not know, to the background
// commands with that first argument.
func cmdTerminate(ts *testscript.TestScript, _ bool, args []string) {
	for _, cmd := range ts.BackgroundCmds() {
		if len(cmd.Args) > 1 && cmd.Args[1] == args[0] {
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	}
}

// cmdReachable waits until a URL answers with 200, or with "!" until nobody
// listens there any more.
func cmdReachable(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(args[0])
		if err == nil {
			_ = res.Body.Close()
		}
		if !neg && err == nil && res.StatusCode == http.StatusOK || neg && err != nil {
			return
		}
	}
	ts.Fatalf("after 20 s, reachable %s is not %v", args[0], !neg)
}

// cmdUntil waits until files are there.
func cmdUntil(ts *testscript.TestScript, _ bool, files []string) {
	for _, file := range files {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat(ts.MkAbs(file)); err == nil {
				break
			}
			if time.Now().After(end) {
				ts.Fatalf("after 20 s there is no %s", file)
			}
		}
	}
}

// cmdPage writes the shell commands of a page as one script, with the addresses of this
// one. A request that is not answered well fails it, and a retry waits for the end of its
// task.
func cmdPage(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(args[0])
	ts.Check(err)
	script := strings.Builder{}
	script.WriteString(pageStart)
	for _, part := range strings.Split("\n"+string(text), "\n```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		for line := range strings.Lines(block + "\n") {
			if strings.Contains(line, "retry") {
				script.WriteString("ended " + taskID.FindString(line) + "\n")
			}
			script.WriteString(line)
		}
	}
	addresses := strings.NewReplacer("127.0.0.1:4450", ts.Getenv("ADDR"), "127.0.0.1:9000", ts.Getenv("APP"))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(addresses.Replace(script.String())), 0o600))
}

const pageStart = `
curl() { command curl -sS --fail-with-body "$@" && echo; }
ended() { until command curl -sS $B/tasks/$1 | grep -Eq '"state":"(succeeded|failed|canceled)"'; do sleep 0.05; done; }
`

var taskID = regexp.MustCompile(`[a-z]+-[0-9]+`)

// runApp is an app whose answers the path spells, one for each call of a task:
// /500,500,200; or that are given for a path, as in fetch=400,200. A slow one waits for a
// second first.
func runApp(addr string, paths []string) error {
	given := map[string]string{}
	for _, p := range paths {
		path, answers, _ := strings.Cut(p, "=")
		given[path] = answers
	}
	var mu sync.Mutex
	calls := map[string]int{}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	return errors.Join(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Sendoff-Task-Id")
		mu.Lock()
		call := calls[id]
		calls[id]++
		mu.Unlock()
		path := strings.Trim(r.URL.Path, "/")
		answers := strings.Split(cmp.Or(given[path], path), ",")
		var status int
		if _, err := fmt.Sscan(answers[min(call, len(answers)-1)], &status); err != nil {
			status = http.StatusOK
		}
		if r.URL.RawQuery == "slow" {
			time.Sleep(time.Second)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, "call %d", call+1)
	})))
}

// withPipeline builds examples/pipeline for the tests.
type withPipeline struct{ *testing.M }

// Run implements testscript.TestingM.
func (m withPipeline) Run() int {
	dir, err := os.MkdirTemp("", "sendoff-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("go", "build", "-o", dir, "../../examples/pipeline").CombinedOutput(); err != nil {
		panic(string(out))
	}
	os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return m.M.Run()
}
