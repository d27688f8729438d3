package quota

import (
	"context"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// view is what a step decides by.
type view struct {
	node     task.ID
	now      int64
	shares   map[int32][]store.Share // by queue
	mine     map[int32]store.Share
	pressure map[int32]Pressure
	occupied map[int32]bool // queues of which something waits that we could start
}

// see reads the shares, and looks whether something waits that a limit has kept from
// starting: a loop that asks for all there is does not know.
func (k *Keeper) see(ctx context.Context, node task.ID) (*view, error) {
	all, err := k.cfg.Store.Shares(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{node: node, shares: map[int32][]store.Share{}, mine: map[int32]store.Share{}, pressure: k.cfg.Room.Lately(), occupied: map[int32]bool{}}
	for _, s := range all {
		v.shares[s.Queue] = append(v.shares[s.Queue], s)
		if s.Node == node {
			v.mine[s.Queue] = s
		}
	}
	var lanes []int32
	queues := map[int32]int32{}
	for _, l := range k.cfg.Lanes() {
		if p := v.pressure[l.QueueID]; (p.Slots || p.Rate) && !l.Paused {
			lanes = append(lanes, l.ID)
			queues[l.ID] = l.QueueID
		}
	}
	if len(lanes) > 0 {
		if lanes, err = k.cfg.Store.Occupied(ctx, lanes); err != nil {
			return nil, err
		}
	}
	for _, lane := range lanes {
		v.occupied[queues[lane]] = true
	}
	v.now = k.cfg.Store.Now()
	return v, nil
}

// decide gives back at once what others are short of, by starting nothing more there,
// and returns what there is to ask for. busy: more is to be given back when it is not
// in use any more.
func (k *Keeper) decide(v *view, life int) (asks []store.Ask, busy bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life != life {
		return nil, false
	}
	back := map[int32]int64{}
	drafts := map[int32]store.Ask{}
	for queue, l := range k.limits {
		ask := store.Ask{Queue: queue, Settings: l.Settings, Limit: l.amount(), Every: l.every()}
		ask.Want = v.wants(queue, ask.Limit, ask.Every)
		goal := store.Goal(ask, v.node, v.shares[queue], v.now)
		b := k.bound[queue]
		b.Slots = min(b.Slots, goal.Slots)
		_, starts := k.cfg.Room.Uses(queue)
		if burst := max(goal.Burst, int32(starts)); burst < b.Burst {
			b.Burst = burst
			k.bound[queue] = b
			back[queue] = int64(k.pace(queue, 0) * 1_000_000)
			busy = busy || burst > goal.Burst
		}
		k.bound[queue] = b
		drafts[queue] = ask
	}
	k.apply() // from here on no more is used of it than was
	for queue, ask := range drafts {
		ask.Keep, ask.Back = k.bound[queue], back[queue]
		if running, _ := k.cfg.Room.Uses(queue); ask.Limit.Slots > 0 && int32(running) > ask.Keep.Slots {
			ask.Keep.Slots, busy = int32(running), true
		}
		if v.worth(&ask) {
			asks = append(asks, ask)
		}
	}
	for queue := range v.mine {
		if _, limited := k.limits[queue]; !limited {
			asks = append(asks, store.Ask{Queue: queue})
		}
	}
	k.used = len(v.mine) > 0 || len(asks) > 0
	return asks, busy
}

// wants is what this node could use of a queue's limits.
func (v *view) wants(queue int32, limit store.Amount, every int64) store.Amount {
	p := v.pressure[queue]
	want := store.Amount{Slots: int32(min(p.Peak, int(limit.Slots)))}
	if p.Started > 0 && limit.Burst > 0 {
		part := float64(p.Started) * float64(every) * float64(limit.Burst) / float64(rest)
		want.Burst = min(int32(min(part, 1e6))+1, limit.Burst)
	}
	if !v.others(queue) || (p.Slots || p.Rate) && v.occupied[queue] {
		return limit // both: who has one of them only starts nothing
	}
	return want
}

// others tells whether another node has to do with a queue's limits.
func (v *view) others(queue int32) bool {
	for _, s := range v.shares[queue] {
		if s.Node != v.node && !s.Node.IsZero() {
			return true
		}
	}
	return false
}

// worth tells whether to ask: something changes by it, or may change for others.
func (v *view) worth(ask *store.Ask) bool {
	mine := v.mine[ask.Queue]
	d := store.Divide(*ask, true, v.node, v.shares[ask.Queue], v.now)
	if d.Has != mine.Has || ask.Back > 0 || d.Has.Slots > ask.Keep.Slots || d.Has.Burst > ask.Keep.Burst {
		return true // or what was granted did not come to us
	}
	if !v.others(ask.Queue) || ask.Want == mine.Want {
		return false
	}
	for _, s := range v.shares[ask.Queue] {
		if s.Node != v.node && !s.Node.IsZero() && (full(s.Want.Slots, ask.Limit.Slots) || full(s.Want.Burst, ask.Limit.Burst)) {
			return true
		}
	}
	return full(ask.Want.Slots, ask.Limit.Slots) != full(mine.Want.Slots, ask.Limit.Slots) ||
		full(ask.Want.Burst, ask.Limit.Burst) != full(mine.Want.Burst, ask.Limit.Burst)
}

// full tells whether somebody wants all that there is.
func full(want, limit int32) bool { return limit > 0 && want >= limit }

// take has what was granted hold.
func (k *Keeper) take(asks []store.Ask, granted []store.Granted, life int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life != life {
		return // under a lease that is lost
	}
	for i, g := range granted {
		ask := &asks[i]
		l, limited := k.limits[ask.Queue]
		if !limited {
			continue
		}
		b, most := k.bound[ask.Queue], l.amount()
		if g.Has.Slots > ask.Keep.Slots {
			b.Slots = min(g.Has.Slots, most.Slots)
		}
		more := g.Has.Burst > ask.Keep.Burst
		if more {
			b.Burst = min(g.Has.Burst, most.Burst)
		}
		k.bound[ask.Queue] = b
		if more {
			k.pace(ask.Queue, float64(g.Credit)/1_000_000)
		}
	}
	k.apply()
}
