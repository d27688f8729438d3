package main

import (
	"runtime"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// version is set when a release is built.
var version = "dev"

type versionCmd struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Run prints the version.
func (c *versionCmd) Run(t *term.Terminal) error {
	if c.JSON {
		return t.JSON(map[string]string{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	}
	t.Printf("sendoff %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
