package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const maxFile = 64 << 10

// ReadFile returns the key of the secret in a file: its text, without the blanks around it.
// The error says what is wrong with the file and what would be right, and wraps
// fs.ErrNotExist when it is not there. Files that everybody can read, or that others than the
// owner can change, are refused; those that a group reads, as they come from Kubernetes and
// systemd, are not.
func ReadFile(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret file: %w", err)
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the secret file: %w", err)
	}
	if mode := is.Mode().Perm(); mode&0o037 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("the secret file %s is open to others (mode %04o): chmod 600 %s", path, mode, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the secret file %s: %w", path, err)
	case len(b) > maxFile:
		return nil, fmt.Errorf("the secret file %s is larger than %d bytes: it is no secret", path, maxFile)
	}
	key, err := New(bytes.TrimSpace(b))
	if err != nil {
		return nil, fmt.Errorf("the secret file %s: %w: make one with openssl rand -base64 32", path, err)
	}
	return key, nil
}

// MakeFile makes a file with a new secret, for its owner alone. It is whole when it has its
// name, and on disk with it when this returns: what is sealed under it is lost without. The error wraps fs.ErrExist when it is there: nothing is replaced.
func MakeFile(path string) error {
	temp, err := writeTemp(path)
	if err != nil {
		return fmt.Errorf("make the secret file: %w", err)
	}
	defer func() { _ = os.Remove(temp) }()
	switch err := os.Link(temp, path); {
	case err == nil:
		return syncDir(path)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("make the secret file: %w", err)
	}
	if err := os.Rename(temp, path); err != nil { // where there are no links
		return fmt.Errorf("make the secret file: %w", err)
	}
	return syncDir(path)
}

// syncDir has a name outlive a loss of power.
func syncDir(path string) error {
	if runtime.GOOS == "windows" { // which does not know how
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("make the secret file: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("make the secret file: %w", err)
	}
	return nil
}

func writeTemp(path string) (name string, err error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:])                                               // never fails
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(secret[:]) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}
