package sqlite

import (
	"os"
	"path/filepath"
	"strings"
)

// partial is how the names begin and end of files that are to become dest.
func partial(dest string) (prefix, suffix string) { return "." + filepath.Base(dest) + ".", ".partial" }

// removePartials removes what copies to dest have left that were killed. Who is at one holds a
// lock on it, where there are locks; elsewhere they stay.
func removePartials(dest string) {
	if !locks {
		return
	}
	prefix, suffix := partial(dest)
	entries, _ := os.ReadDir(filepath.Dir(dest)) // what cannot be read cannot be made there either
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), prefix) || !strings.HasSuffix(entry.Name(), suffix) || !entry.Type().IsRegular() {
			continue
		}
		path := filepath.Join(filepath.Dir(dest), entry.Name())
		lock, err := lockFile(path)
		if err != nil {
			continue
		}
		removePartial(path)
		_ = lock.Close()
	}
}

func removePartial(path string) {
	for _, left := range []string{"", "-journal", "-wal", "-shm"} {
		_ = os.Remove(path + left) // the first is gone when all went well
	}
}
