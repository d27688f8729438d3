package process

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed shim/worker.py
var pythonWorker string

// Python is the program of a worker that runs Python: the given interpreter, or that of
// the virtual environment that this process runs in, or the first one in the PATH.
func Python(interpreter string) ([]string, error) {
	candidates := []string{interpreter}
	if interpreter == "" {
		candidates = []string{"python3", "python"}
		if env := os.Getenv("VIRTUAL_ENV"); env != "" {
			candidates = []string{filepath.Join(env, "bin", "python")}
		}
	}
	for _, c := range candidates {
		if path, err := exec.LookPath(c); err == nil {
			return []string{path, "-c", pythonWorker}, nil
		}
	}
	return nil, fmt.Errorf("process: no Python interpreter %q: install it, or name one with process.python", candidates)
}
