// Package draw draws a directed acyclic graph of jobs: as an SVG in layers, and
// as text for Graphviz (DOT) and Mermaid.
//
// It is for any graph of things that have a name and a state: the jobs of a
// package jobgraph, the calls of a durable function, tasks that wait for tasks.
// It imports the standard library only and knows none of them.
//
// [Arrange] decides where everything is, from the names and the edges alone, so
// that a layout made once serves for as long as only states change. [SVG] draws
// it; what else draws, such as a PNG, takes the same [Layout], [Look.Paint] and
// [Box.Face]. Equal graphs give equal bytes.
//
// The promises of a layout: boxes do not overlap, text stays in its box, an
// edge meets no box but its two. Time and size are bounded: a thousand jobs take
// some ten milliseconds, ten thousand less than some seconds, and what cannot be
// drawn in reason is refused with [ErrTooLarge].
package draw

import "time"

// Graph is what is drawn. The zero value is an empty drawing.
type Graph struct {
	Name  string // title of the drawing; default "jobs"
	Nodes []Node // the order decides between places that are as good
	Edges []Edge // an edge that is there twice is drawn once

	// Critical are the IDs of the path that decides how long it all takes, from
	// the dependent to what it stands on. It is drawn thick and in a colour of its
	// own. See [CriticalPath].
	Critical []string

	Direction Direction
}

// Node is one job, drawn as a box.
type Node struct {
	ID       string        // not empty, once in a graph
	Label    string        // shown; default is the ID. What is too long is shortened, the whole is in the title
	State    string        // the word below the label, such as "achieved"
	Look     Look          // colour, outline and icon that go with the state
	Duration time.Duration // shown after the state; 0 is not shown
	Note     string        // a sentence for the title, such as "port 80 closed"
	Link     string        // where a click leads: an http, https or relative address; others are left out
}

// Edge says that From stands on To: From waits until To is done. It is drawn
// from From, which is above, to To.
type Edge struct {
	From, To string // IDs
}

// Direction is where dependencies are, seen from what stands on them.
type Direction int

// The directions of a drawing.
const (
	Down  Direction = iota // dependents above, what they stand on below
	Right                  // dependents on the left: better for long labels and wide graphs
)

// Look is how a node looks, by how it stands with it. Each differs from the
// others by icon and outline too, not by colour alone.
type Look int

// The looks of nodes. The colours of a job graph are those of DoJobber: green in
// place, dark green achieved, red failed, white not attempted.
const (
	Plain    Look = iota // nothing is known or asked
	Waiting              // its turn has not come
	Running              // being worked on
	InPlace              // there was nothing to do
	Achieved             // done
	Failed               // tried, and it did not work
	Blocked              // not tried, because of another
	Skipped              // left out, or canceled
)

var lookNames = [...]string{"plain", "waiting", "running", "in-place", "achieved", "failed", "blocked", "skipped"}

// String is the name of a look and its class in an SVG, such as "in-place".
func (l Look) String() string { return lookNames[l.known()] }

// known takes what is no look for Plain.
func (l Look) known() Look {
	if l < 0 || int(l) >= len(lookNames) {
		return Plain
	}
	return l
}

// name is the title of the drawing.
func (g Graph) name() string {
	if g.Name == "" {
		return "jobs"
	}
	return g.Name
}

// label is what is shown of a node, before it is shortened.
func (n Node) label() string {
	if n.Label == "" {
		return n.ID
	}
	return n.Label
}
