package graphrun_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain has fewer random graphs than rapid does by itself, unless -rapid.checks says
// how many: each is run by an engine.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		_ = flag.Set("rapid.checks", "25")
	}
	os.Exit(m.Run())
}
