package durable

import (
	"fmt"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/journal"
)

// replay is what is left to repeat of a journal.
type replay struct {
	entries  []journal.Entry
	branches [][]*journal.Entry // the commands of each
	events   []*journal.Entry   // all that is neither command nor version, in order
	before   []int              // commands before each event
	next     int                // of events
	commands int
	matched  int
	met      []bool // of entries: commands that the code gave again
	versions map[string]uint64
}

func newReplay(entries []journal.Entry) replay {
	p := replay{entries: entries, met: make([]bool, len(entries)), versions: make(map[string]uint64)}
	for i := range entries {
		e := &entries[i]
		switch e.Kind {
		case journal.Header:
		case journal.Version:
			p.versions[e.Name] = e.N
		case journal.Command:
			for uint64(len(p.branches)) <= e.Branch {
				p.branches = append(p.branches, nil)
			}
			p.branches[e.Branch] = append(p.branches[e.Branch], e)
			p.commands++
		default:
			p.events = append(p.events, e)
			p.before = append(p.before, p.commands)
		}
	}
	return p
}

// active tells whether something of the journal was not repeated yet.
func (p *replay) active() bool { return p.next < len(p.events) || p.matched < p.commands }

// match finds the record of a command that a branch gives.
func (p *replay) match(b *Branch, now *journal.Entry) (*journal.Entry, error) {
	i := int(b.count) - 1
	if i >= len(b.recorded) {
		return nil, b.mismatch(nil, now, "the journal has no such command here")
	}
	e := b.recorded[i]
	switch {
	case e.Op != now.Op || e.Name != now.Name:
		return nil, b.mismatch(e, now, "")
	case e.Op == journal.OpCall && e.Count != now.Count:
		return nil, b.mismatch(e, now, fmt.Sprintf("it was %d calls, and is now %d", e.Count, now.Count))
	case e.Op == journal.OpCall && e.Digest != now.Digest:
		return nil, b.mismatch(e, now, "its input differs")
	case p.next < len(p.events) && p.events[p.next].Index < e.Index:
		return nil, b.mismatch(e, now, "it came later")
	}
	p.met[e.Index] = true
	p.matched++
	return e, nil
}

// missing returns a recorded command that the code did not give by the time
// that the journal has it, or nil.
func (p *replay) missing() *journal.Entry {
	limit, index := p.commands, len(p.entries)
	if p.next < len(p.events) {
		limit, index = p.before[p.next], p.events[p.next].Index
	}
	if p.matched >= limit {
		return nil
	}
	for i := range p.entries[:index] {
		if e := &p.entries[i]; e.Kind == journal.Command && !p.met[i] {
			return e
		}
	}
	return nil
}

// MismatchError says that the code does not fit the journal.
type MismatchError struct{ Text string }

func (e *MismatchError) Error() string { return e.Text }

const ways = "Three ways out: deploy the build that wrote the journal again; " +
	"guard the change with sendoff.Version, so that runs that are under way keep the old path; " +
	"or restart the run from its input."

func (b *Branch) mismatch(recorded, now *journal.Entry, why string) error {
	r := b.run
	var s strings.Builder
	fmt.Fprintf(&s, "SENDOFF1001: the code of function %s does not fit the journal of run %s, at command %s.\n", r.info.Function, r.info.ID, b.path(b.count))
	fmt.Fprintf(&s, "  recorded: %s\n", journal.Describe(recorded))
	if now.Site == "" {
		now.Site = r.host.site()
	}
	fmt.Fprintf(&s, "  code now: %s\n", journal.Describe(now))
	if why != "" {
		fmt.Fprintf(&s, "  (%s)\n", why)
	}
	r.replay.context(&s, b, int(b.count)-1)
	s.WriteString(ways)
	return &MismatchError{s.String()}
}

func (r *Run) missing(e *journal.Entry) error {
	var s strings.Builder
	fmt.Fprintf(&s, "SENDOFF1001: the code of function %s does not fit the journal of run %s: a command that was recorded did not come.\n", r.info.Function, r.info.ID)
	fmt.Fprintf(&s, "  recorded: %s\n", journal.Describe(e))
	fmt.Fprintf(&s, "  code now: the branch returned, or waits for something else\n")
	s.WriteString(ways)
	return &MismatchError{s.String()}
}

// context writes the commands of the branch before a position.
func (p *replay) context(s *strings.Builder, b *Branch, position int) {
	end := min(position, len(b.recorded))
	if end <= 0 {
		return
	}
	s.WriteString("  before it:\n")
	for i := max(0, end-5); i < end; i++ {
		fmt.Fprintf(s, "    %s: %s\n", b.path(uint64(i)+1), journal.Describe(b.recorded[i]))
	}
}
