// Command sendoff is a durable task dispatcher: hand it a task, and it is on
// disk before you get the answer; then it is pushed to your HTTP app until it
// succeeds or its attempts are used up.
//
// "sendoff serve" is the server; it keeps its tasks in a SQLite file or in
// PostgreSQL. "sendoff demo" shows the whole thing in ten seconds. The other
// commands are clients: they talk to the server that --url or SENDOFF_URL names.
//
// The package wires: it reads flags, environment and file, opens the store that
// was asked for, and hands both to package engine. It holds no rule about tasks.
// Each command is a file of its name.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	_ "time/tzdata" // time zones, where the machine has none

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/engine"
)

func main() {
	useProcessors()
	vetTool(os.Args[1:])
	guard(os.Args[1:])
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// guard is what a server starts to look after its processes; see engine.ProcessGuard.
func guard(args []string) {
	if len(args) == 0 || args[0] != host.Guard {
		return
	}
	if err := engine.ProcessGuard(); err != nil {
		fmt.Fprintln(os.Stderr, "sendoff:", err)
		os.Exit(term.ExitError)
	}
	os.Exit(0)
}

// run is the whole program, for tests as well. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	t := term.New(stdout, stderr)
	return t.Report(execute(ctx, args, t))
}
