package backup

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// watch shows on a terminal how much of a file has been written, each second, until done
// is called.
func watch(t *term.Terminal, dest string) (done func()) {
	if !t.Live {
		return func() {}
	}
	over := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		shown := false
		for {
			select {
			case <-over:
				if shown {
					fmt.Fprint(t.Stderr, "\r\033[K")
				}
				return
			case <-time.After(time.Second):
				fmt.Fprintf(t.Stderr, "\r\033[K%s written...", term.Bytes(partial(dest)))
				shown = true
			}
		}
	})
	return func() { close(over); ended.Wait() }
}

// partial is how large the file is that becomes dest.
func partial(dest string) (n int64) {
	names, _ := filepath.Glob(filepath.Join(filepath.Dir(dest), "."+filepath.Base(dest)+".*.partial"))
	for _, name := range names {
		if is, err := os.Stat(name); err == nil {
			n = max(n, is.Size())
		}
	}
	return n
}
