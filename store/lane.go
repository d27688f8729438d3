package store

import "strings"

// Lane is a queue's line for one pool: what a claim takes from. In a queue whose groups
// take turns each group has one of its own, so that its tasks keep their order, and their
// place among the others, whatever happens to it: who claims asks the lanes in turns.
type Lane struct {
	ID        int32
	Namespace int32
	QueueID   int32
	Queue     string
	Pool      string
	Group     string // whose line it is; empty = of all that have none of their own
	Paused    bool
	Forgotten bool // its queue is not listed any more
}

// betweenGroup is what neither a pool nor the name of a group has.
const betweenGroup = "\n"

// GroupPool is the pool to ask [Catalog].EnsureLane for to get the lane of a group. A node
// that knows nothing of groups knows no such pool, and leaves its tasks to others.
func GroupPool(pool, group string) string {
	if group == "" {
		return pool
	}
	return pool + betweenGroup + group
}

// OfPool sets pool and group by what GroupPool made of them.
func (l *Lane) OfPool(name string) { l.Pool, l.Group, _ = strings.Cut(name, betweenGroup) }
