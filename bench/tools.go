package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed python/requirements.txt
var requirements string

// makePython makes an environment with the Python systems, once for each set of
// requirements, and returns its interpreter.
func makePython() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(requirements))
	dir := filepath.Join(cache, "sendoff-bench", "python-"+hex.EncodeToString(sum[:6]))
	python := filepath.Join(dir, "bin", "python")
	if _, err := os.Stat(filepath.Join(dir, "complete")); err == nil {
		return python, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	list := dir + ".txt"
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(list, []byte(requirements), 0o644); err != nil {
		return "", err
	}
	for _, argv := range [][]string{
		{"python3", "-m", "venv", dir},
		{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", list},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w: %s", argv, err, out)
		}
	}
	return python, os.WriteFile(filepath.Join(dir, "complete"), nil, 0o644)
}

// makeSendoff builds the program as it is released, in its own module.
func makeSendoff(dir string) (string, error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sendoff-dev/sendoff").Output()
	if err != nil {
		return "", fmt.Errorf("find the module of sendoff, from the directory of this one: %w", err)
	}
	path := filepath.Join(dir, "sendoff")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/sendoff")
	cmd.Dir, cmd.Env = strings.TrimSpace(string(module)), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sendoff: %w: %s", err, out)
	}
	return path, nil
}
