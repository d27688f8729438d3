package httpsig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	maxKeyFile = 64 << 10
	keptKeys   = 3 // after a rotation of a file: the new one and two old ones
)

// LoadKeys reads the key file, and makes it with new keys when it is not there.
// Two servers that start at once end up with the same keys. A file that others
// than its owner can read or write is refused; one of root's may be readable for its group,
// as secrets in containers are.
func LoadKeys(path string) (*Keys, error) {
	keys, err := ReadKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if err := NewMaterial(time.Now()).WriteFile(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return ReadKeys(path)
}

// ReadKeys reads the key file. The error wraps fs.ErrNotExist when it is not there.
func ReadKeys(path string) (*Keys, error) {
	file, err := ReadMaterial(path)
	if err != nil {
		return nil, err
	}
	return file.Load("key file " + path)
}

// RotateKeys adds a new key to the file, to sign from now on. The two keys
// before it stay published, so that pushes under way are still accepted; older
// ones are dropped. A running server signs with it once it has read the file again.
func RotateKeys(path string) (*Keys, error) {
	file, err := ReadMaterial(path)
	if err != nil {
		return nil, err
	}
	file.Keys = append([]Seed{newSeed(time.Now())}, file.Keys...)
	file.Keys = file.Keys[:min(len(file.Keys), keptKeys)]
	temp, err := file.writeTemp(path)
	if err != nil {
		return nil, fmt.Errorf("rotate keys: %w", err)
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return nil, fmt.Errorf("rotate keys: %w", err)
	}
	return file.Load("key file " + path)
}

// ReadMaterial reads what is in a key file, and no more. The error wraps
// fs.ErrNotExist when it is not there.
func ReadMaterial(path string) (*Material, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if open(info) {
		return nil, fmt.Errorf("key file %s is open to others (mode %04o): chmod 600 %s", path, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("key file %s is too large", path)
	}
	file := &Material{}
	if err := json.Unmarshal(b, file); err != nil {
		// The decoder's own text could quote a part of a secret.
		return nil, fmt.Errorf("key file %s is not valid JSON", path)
	}
	return file, nil
}

// WriteFile writes a key file, for its owner alone. The error wraps fs.ErrExist when
// it is there: nothing is replaced.
func (m *Material) WriteFile(path string) error {
	temp, err := m.writeTemp(path)
	if err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	defer os.Remove(temp)
	// A link never replaces a file, so the one who comes second takes the first one's.
	// Where there are no links, a rename has to do.
	if err := os.Link(temp, path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create key file: %w", err)
	} else if err == nil {
		return nil
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	return nil
}

// writeTemp writes the file, synced, under another name in the same directory.
func (m *Material) writeTemp(path string) (name string, err error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = temp.Write(append(b, '\n'))
	if err == nil {
		err = temp.Sync()
	}
	if err2 := temp.Close(); err == nil {
		err = err2
	}
	if err != nil {
		os.Remove(temp.Name())
		return "", err
	}
	return temp.Name(), nil
}
