package durable

import (
	"fmt"
	"strings"
)

// replay is what is left to repeat of a journal.
type replay struct {
	entries  []entry
	branches [][]*entry // the commands of each
	events   []*entry   // all that is neither command nor version, in order
	before   []int      // commands before each event
	next     int        // of events
	commands int
	matched  int
	versions map[string]uint64
}

func newReplay(entries []entry) replay {
	p := replay{entries: entries, versions: make(map[string]uint64)}
	for i := range entries {
		e := &entries[i]
		switch e.kind {
		case entryHeader:
		case entryVersion:
			p.versions[e.name] = e.n
		case entryCommand:
			for uint64(len(p.branches)) <= e.branch {
				p.branches = append(p.branches, nil)
			}
			p.branches[e.branch] = append(p.branches[e.branch], e)
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
func (p *replay) match(b *Branch, now *entry) (*entry, error) {
	i := int(b.count) - 1
	if i >= len(b.recorded) {
		return nil, b.mismatch(nil, now, "the journal has no such command here")
	}
	e := b.recorded[i]
	switch {
	case e.op != now.op || e.name != now.name:
		return nil, b.mismatch(e, now, "")
	case e.op == OpCall && e.count != now.count:
		return nil, b.mismatch(e, now, fmt.Sprintf("it was %d calls, and is now %d", e.count, now.count))
	case e.op == OpCall && e.digest != now.digest:
		return nil, b.mismatch(e, now, "its input differs")
	case p.next < len(p.events) && p.events[p.next].index < e.index:
		return nil, b.mismatch(e, now, "it came later")
	}
	e.matched = true
	p.matched++
	return e, nil
}

// missing returns a recorded command that the code did not give by the time
// that the journal has it, or nil.
func (p *replay) missing() *entry {
	limit, index := p.commands, len(p.entries)
	if p.next < len(p.events) {
		limit, index = p.before[p.next], p.events[p.next].index
	}
	if p.matched >= limit {
		return nil
	}
	for i := range p.entries[:index] {
		if e := &p.entries[i]; e.kind == entryCommand && !e.matched {
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

func (b *Branch) mismatch(recorded, now *entry, why string) error {
	r := b.run
	var s strings.Builder
	fmt.Fprintf(&s, "SENDOFF1001: the code of function %s does not fit the journal of run %s, at command %s.\n", r.info.Function, r.info.ID, b.path(b.count))
	fmt.Fprintf(&s, "  recorded: %s\n", describe(recorded))
	if now.site == "" {
		now.site = r.host.site()
	}
	fmt.Fprintf(&s, "  code now: %s\n", describe(now))
	if why != "" {
		fmt.Fprintf(&s, "  (%s)\n", why)
	}
	r.replay.context(&s, b, int(b.count)-1)
	s.WriteString(ways)
	return &MismatchError{s.String()}
}

func (r *Run) missing(e *entry) error {
	var s strings.Builder
	fmt.Fprintf(&s, "SENDOFF1001: the code of function %s does not fit the journal of run %s: a command that was recorded did not come.\n", r.info.Function, r.info.ID)
	fmt.Fprintf(&s, "  recorded: %s\n", describe(e))
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
		fmt.Fprintf(s, "    %s: %s\n", b.path(uint64(i)+1), describe(b.recorded[i]))
	}
}

func describe(e *entry) string {
	if e == nil {
		return "nothing"
	}
	text := e.op.String()
	if e.name != "" {
		text += " " + e.name
	}
	if e.op == OpCall && e.count > 1 {
		text += fmt.Sprintf(" (%d times)", e.count)
	}
	if e.site != "" {
		text += " at " + e.site
	}
	return text
}
