package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/vet"
)

type vetCmd struct {
	Packages []string `arg:"" optional:"" help:"Packages as the go command names them. Default: ./..."`
	Tests    bool     `name:"tests" default:"true" negatable:"" help:"Look at test files as well."`
	JSON     bool     `name:"json" help:"Print JSON, one line for each finding."`
}

// Help explains the command, after its flags.
func (*vetCmd) Help() string {
	return "Finds code that makes a replay differ from the run: goroutines, clocks, I/O outside of steps, lost variables and more.\n" +
		"Exit codes: 0 nothing found, 1 findings, 2 the code could not be loaded.\n" +
		"The same within go vet: go vet -vettool=$(which sendoff) ./...\n" +
		"To allow a finding: //sendoff:allow SENDOFF2003 and the reason, on its line or the one before."
}

// Run looks at the packages.
func (c *vetCmd) Run(ctx context.Context, t *term.Terminal) error {
	patterns := c.Packages
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	found, err := vet.Packages(ctx, vet.Config{NoTests: !c.Tests}, patterns...)
	if err != nil {
		return &term.Exit{Code: term.ExitUsage, Err: fmt.Errorf("the code cannot be loaded:\n%w", err)}
	}
	for _, f := range found {
		f.File = fromHere(f.File)
		if !c.JSON {
			t.Printf("%s\n", f)
		} else if err := t.JSON(f); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return &term.Exit{Code: term.ExitError}
	}
	return nil
}

// fromHere is a path as seen from the working directory, when it is below it.
func fromHere(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(short, "..") {
		return short
	}
	return path
}

// vetTool is the program as "go vet -vettool" runs it: with flags only, to ask
// what it can do, or with the description of one package after them. It returns
// when the arguments are those of a user.
func vetTool(args []string) {
	if len(args) == 0 || slices.ContainsFunc(args[:len(args)-1], func(a string) bool { return !strings.HasPrefix(a, "-") }) {
		return
	}
	if last := args[len(args)-1]; last == "-V=full" || last == "-flags" || filepath.Base(last) == "vet.cfg" {
		unitchecker.Main(vet.Analyzer)
	}
}
