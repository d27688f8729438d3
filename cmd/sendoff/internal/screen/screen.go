// Package screen draws on a whole terminal, and reads its keys one by one. It does not
// know what it shows.
package screen

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Screen is a terminal that is drawn on, and whose keys are read one by one.
type Screen struct {
	in, out *os.File
	before  *term.State
	drawn   []string
	Columns int // as Size has found them
	Lines   int
}

// New returns that of this process.
func New() *Screen { return &Screen{in: os.Stdin, out: os.Stdout} }

// Enter takes the terminal over. Leave gives it back.
func (s *Screen) Enter() error {
	var err error
	if s.before, err = term.MakeRaw(int(s.in.Fd())); err != nil {
		return err
	}
	fmt.Fprint(s.out, "\x1b[?1049h\x1b[?25l\x1b[2J") // another screen, no cursor, empty
	return nil
}

// Leave may be called more than once.
func (s *Screen) Leave() {
	if s.before == nil {
		return
	}
	fmt.Fprint(s.out, "\x1b[0m\x1b[?25h\x1b[?1049l")
	_ = term.Restore(int(s.in.Fd()), s.before) // there is no other way
	s.before = nil
}

// Size asks how large the terminal is now.
func (s *Screen) Size() (columns, lines int) {
	w, h, err := term.GetSize(int(s.out.Fd()))
	if err != nil || w < 1 || h < 1 {
		w, h = 80, 24
	}
	if w != s.Columns || h != s.Lines {
		s.Columns, s.Lines, s.drawn = w, h, nil
	}
	return w, h
}

// Show draws what differs from what is there.
func (s *Screen) Show(lines []string) {
	writePicture(s.out, s.drawn, lines)
	s.drawn = lines
}

func writePicture(to io.Writer, drawn, lines []string) {
	w := bufio.NewWriterSize(to, 64<<10)
	defer w.Flush()
	if len(drawn) != len(lines) {
		drawn = nil
		fmt.Fprint(w, "\x1b[2J")
	}
	for i, line := range lines {
		if drawn == nil || drawn[i] != line {
			fmt.Fprintf(w, "\x1b[%d;1H%s\x1b[0m\x1b[K", i+1, line)
		}
	}
}

// Keys reads the keyboard until it is closed.
func (s *Screen) Keys() <-chan Key {
	ch := make(chan Key, 64)
	go func() {
		buf := make([]byte, 256)
		for {
			n, err := s.in.Read(buf)
			for _, k := range parseKeys(string(buf[:n])) {
				ch <- k
			}
			if err != nil {
				return
			}
		}
	}()
	return ch
}
