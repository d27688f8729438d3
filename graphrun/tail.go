package graphrun

import (
	"bytes"
	"strings"
	"sync"
)

// mostOutput is how many bytes of what a call prints are kept, the last ones.
const mostOutput = 16 << 10

// tail keeps the last of what is written to it. The zero value is empty and ready; its
// methods may be called by any number of goroutines.
type tail struct {
	mu   sync.Mutex
	kept []byte
	all  int64
}

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all += int64(len(b))
	if t.kept = append(t.kept, b...); len(t.kept) > 2*mostOutput {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-mostOutput:]...)
	}
	return len(b), nil
}

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept, t.all = nil, 0
}

// text is what was kept, from the beginning of a line on where something was left out,
// and how many bytes were.
func (t *tail) text() (text string, cut int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.kept[max(len(t.kept)-mostOutput, 0):]
	if int64(len(kept)) < t.all {
		if at := bytes.IndexByte(kept, '\n'); at >= 0 {
			kept = kept[at+1:]
		}
	}
	return strings.ToValidUTF8(string(kept), "\uFFFD"), t.all - int64(len(kept))
}
