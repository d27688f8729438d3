package graphfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/spelling"
)

// Problem is a mistake in a file, and what would be right.
type Problem struct {
	File string
	Line int // from 1; 0 = it is about the whole file
	Text string
}

func (p *Problem) Error() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.File, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// ErrorType is what JSON calls it.
func (p *Problem) ErrorType() string { return "DefinitionError" }

// maxProblems is how many mistakes are told at a time.
const maxProblems = 20

// problems collects mistakes.
type problems struct {
	found []error
	more  int
}

func (p *problems) add(at position, format string, args ...any) {
	if p.full() {
		p.more++
		return
	}
	p.found = append(p.found, &Problem{at.file, at.line, fmt.Sprintf(format, args...)})
}

// full tells whether no more are told.
func (p *problems) full() bool { return len(p.found) == maxProblems }

func (p *problems) err() error {
	if p.more > 0 {
		return errors.Join(append(p.found, fmt.Errorf("and %d more", p.more))...)
	}
	return errors.Join(p.found...)
}

// nearest is the name that was probably meant, as the end of a sentence; "" when none
// is near.
func nearest(name string, names []string) string {
	best, least := "", max(2, len(name)/4)+1
	for i, n := range names {
		if i == 2000 {
			break // a mistake in a huge file is not worth more
		}
		if d := spelling.Distance(strings.ToLower(name), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}
