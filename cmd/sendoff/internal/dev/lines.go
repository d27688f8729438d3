package dev

import (
	"bytes"
	"sync"
)

// maxLine is the longest line of an app that is shown in one piece; longer ones
// are cut into several.
const maxLine = 16 << 10

// lineWriter cuts what a program writes into lines. It is safe for concurrent
// use, and holds at most maxLine bytes.
type lineWriter struct {
	emit func(line string) // without the line break; called one at a time

	mu   sync.Mutex
	rest []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		whole := end >= 0
		if !whole {
			end = len(b)
		}
		if room := maxLine - len(w.rest); end > room {
			whole, end = false, room
		}
		w.rest = append(w.rest, b[:end]...)
		b = b[end:]
		if whole {
			b = b[1:]
		}
		if whole || len(w.rest) == maxLine {
			w.flush()
		}
	}
	return n, nil
}

// Close shows a last line without a line break.
func (w *lineWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.flush()
	}
	return nil
}

func (w *lineWriter) flush() {
	w.emit(string(bytes.TrimSuffix(w.rest, []byte{'\r'})))
	w.rest = w.rest[:0]
}
