package store

import (
	"bytes"
	"context"
	"slices"

	"github.com/sendoff-dev/sendoff/task"
)

// Quotas divides the limits of queues among the nodes. A node starts nothing of a
// queue with a limit beyond its share, which only a transaction of its own changes: it
// gives back first, then another one takes. Shares end with their node, whose row goes
// when its last claim has been taken back.
type Quotas interface {
	// Share settles what a node has of the limits of queues, see Divide, and returns
	// one answer for each ask, in order. ErrNodeLost when its lease has run out.
	Share(ctx context.Context, node task.ID, asks []Ask) ([]Granted, error)

	// Shares lists all shares, by queue and node.
	Shares(ctx context.Context) ([]Share, error)

	// Occupied returns those of lanes in which a task is ready.
	Occupied(ctx context.Context, lanes []int32) ([]int32, error)
}

// Amount is a part of the limits of a queue.
type Amount struct {
	Slots int32 // attempts under way at a time
	Burst int32 // starts at once, and with them the same part of the rate
}

// Ask is what a node says about a queue with limits.
type Ask struct {
	Queue    int32
	Settings []byte // of the queue, as the node knows them: by others than those that hold, nothing is granted
	Limit    Amount // of all nodes together; 0 = there is no such limit
	Every    int64  // between two starts of all nodes together, nanoseconds
	Keep     Amount // what it uses or may use at any moment, and so does not give back
	Want     Amount // what it could use
	Back     int64  // starts, in millionths, that it was good for with what it gives back
}

// Granted is the answer to an Ask.
type Granted struct {
	Has    Amount // from now on
	Credit int64  // starts, in millionths, that what is new in it is good for at once
	Short  bool   // it is due more, which others have yet to give back
}

// Share is what a node has of the limits of a queue; without a node, what no node has.
type Share struct {
	Queue int32
	Node  task.ID
	Has   Amount
	Want  Amount
	Level int64 // without a node: starts, in millionths, that it was good for
	At    int64 // at this time; 0 = of a node
}

// None tells whether there is nothing to keep of a share.
func (s *Share) None() bool {
	return s.Has == (Amount{}) && s.Want == (Amount{}) && (!s.Node.IsZero() || s.At == 0)
}

// shareTurn is for how long the nodes are served in one order where there is not
// enough for each to have anything, in microseconds.
const shareTurn = 10_000_000

// startUnit is one start as levels count.
const startUnit = 1_000_000

// Division is what an Ask leads to.
type Division struct {
	Mine Share // of the node that asks
	Rest Share // of no node
	Granted
}

// Goal is what a node should have of a queue's limits given all its shares, if nobody
// used anything: what it should give back is no part of it.
func Goal(ask Ask, node task.ID, shares []Share, now int64) Amount {
	ask.Keep, ask.Back = Amount{}, 0
	return Divide(ask, true, node, shares, now).Has
}

// Divide decides an Ask, given all shares of the queue. Each node gets what it wants,
// as long as there is enough; otherwise all get the same, but for those that want
// less. Nobody gives back what nobody is short of. holds tells whether the settings of
// the ask are those that hold; otherwise the node gets no more than it has.
func Divide(ask Ask, holds bool, node task.ID, shares []Share, now int64) Division {
	d := Division{Mine: Share{Queue: ask.Queue, Node: node}, Rest: Share{Queue: ask.Queue, Has: Amount{Burst: ask.Limit.Burst}, Level: int64(ask.Limit.Burst) * startUnit, At: now}}
	nodes := []Share{}
	for _, s := range shares {
		switch s.Node {
		case task.ID{}:
			d.Rest = s
		case node:
			d.Mine = s
		default:
			nodes = append(nodes, s)
		}
	}
	had := d.Mine.Has
	if !holds {
		ask.Want = Amount{min(ask.Want.Slots, had.Slots), min(ask.Want.Burst, had.Burst)}
	}
	d.Mine.Want = ask.Want
	nodes = append(nodes, d.Mine)
	slices.SortFunc(nodes, func(a, b Share) int { return bytes.Compare(a.Node[:], b.Node[:]) })
	me := slices.IndexFunc(nodes, func(s Share) bool { return s.Node == node })
	dueSlots, dueBurst := due(nodes, ask.Limit, int(now/shareTurn)%len(nodes))
	slots := part(nodes, me, ask.Limit.Slots, ask.Keep.Slots, dueSlots, slotsOf)
	burst := part(nodes, me, ask.Limit.Burst, ask.Keep.Burst, dueBurst, burstOf)
	d.Mine.Has = Amount{slots, burst}
	d.Has, d.Short = d.Mine.Has, slots < dueSlots[me] || burst < dueBurst[me]
	d.credit(&ask, had.Burst, nodes, me, now)
	return d
}

func slotsOf(a Amount) int32 { return a.Slots }
func burstOf(a Amount) int32 { return a.Burst }

// due is what each node should have of both limits. Who gets nothing of the one has no
// use for the other: otherwise one node could have the slots and another one the starts.
func due(nodes []Share, limit Amount, first int) (slots, burst []int32) {
	wants := make([]Amount, len(nodes))
	for i, s := range nodes {
		wants[i] = Amount{min(s.Want.Slots, limit.Slots), min(s.Want.Burst, limit.Burst)}
	}
	slots = fairly(limit.Slots, wants, first, slotsOf)
	if limit.Slots == 0 || limit.Burst == 0 {
		return slots, fairly(limit.Burst, wants, first, burstOf)
	}
	for i := range wants {
		if slots[i] == 0 {
			wants[i].Burst = 0
		}
	}
	burst = fairly(limit.Burst, wants, first, burstOf)
	for i := range wants {
		if nodes[i].Want.Burst > 0 && burst[i] == 0 {
			wants[i].Slots = 0
		}
	}
	return fairly(limit.Slots, wants, first, slotsOf), burst
}

// part decides one limit: what a node has from now on.
func part(nodes []Share, me int, limit, keep int32, due []int32, of func(Amount) int32) (has int32) {
	if limit == 0 {
		return 0
	}
	rest, short := int64(limit), int64(0)
	for i, s := range nodes {
		if rest -= int64(of(s.Has)); i != me {
			short += int64(max(due[i]-of(s.Has), 0))
		}
	}
	has = of(nodes[me].Has)
	switch {
	case has < due[me]:
		has += int32(min(int64(due[me]-has), max(rest, 0)))
	case rest < 0:
		has = due[me]
	default:
		has -= int32(min(int64(has-due[me]), max(short-rest, 0)))
	}
	return max(has, keep)
}

// fairly divides a limit: everybody gets the same, or less where it wants less. What
// cannot be divided goes to some, from first on.
func fairly(limit int32, wants []Amount, first int, of func(Amount) int32) []int32 {
	out := make([]int32, len(wants))
	open := make([]int, 0, len(wants))
	for i := range wants {
		open = append(open, (i+first)%len(wants))
	}
	for len(open) > 0 {
		each := limit / int32(len(open))
		modest := slices.DeleteFunc(slices.Clone(open), func(i int) bool { return of(wants[i]) > each })
		if len(modest) == 0 {
			for n, i := range open {
				if out[i] = each; n < int(limit)%len(open) {
					out[i]++
				}
			}
			return out
		}
		for _, i := range modest {
			out[i] = of(wants[i])
			limit -= out[i]
		}
		open = slices.DeleteFunc(open, func(i int) bool { return slices.Contains(modest, i) })
	}
	return out
}

// credit moves starts between the node and what no node has. They are never made: what
// a node gives back is good for what it says, and what it takes for its part of what
// has come together there.
func (d *Division) credit(ask *Ask, had int32, nodes []Share, me int, now int64) {
	limit := ask.Limit.Burst
	if limit == 0 {
		d.Rest = Share{Queue: ask.Queue}
		return
	}
	r := &d.Rest
	units := int64(r.Has.Burst)
	if ask.Every > 0 {
		starts := float64(max(now-r.At, 0)) * 1000 / float64(ask.Every) * float64(units) / float64(limit)
		r.Level = int64(min(float64(r.Level)+starts*startUnit, float64(units*startUnit)))
	}
	r.At = now
	r.Level += max(ask.Back, 0)
	if more := int64(d.Has.Burst - had); more > 0 && units > 0 {
		d.Credit = min(r.Level*min(more, units)/units, more*startUnit)
		r.Level -= d.Credit
	}
	left := limit - d.Has.Burst
	for i, s := range nodes {
		if i != me {
			left -= s.Has.Burst
		}
	}
	r.Has = Amount{Burst: max(left, 0)}
	r.Level = min(r.Level, int64(r.Has.Burst)*startUnit)
}
