package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

// TestVetScripts runs the command in a module that uses this one; for that the
// scripts need the go command and what it has in its caches.
func TestVetScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("type-checks the SDK")
	}
	repo, err := filepath.Abs("../..")
	require.NoError(t, err)
	env := []string{"REPO=" + repo, "GOFLAGS=-mod=mod -buildvcs=false", "GOPROXY=off", "GOWORK=off"}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT"} {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		require.NoError(t, err)
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/vet",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, env...)
			return nil
		},
	})
}
