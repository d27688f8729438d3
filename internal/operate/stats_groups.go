package operate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/store"
)

// GroupStats is how much waits in a queue for one of its groups.
type GroupStats struct {
	Group       string // empty = of all tasks that stand in no line of a group of their own
	Weight      int32
	Ready       int64
	Scheduled   int64
	Running     int64
	OldestReady time.Duration // how long the oldest ready task has waited; 0 = none
}

// maxGroups is how many groups are shown.
const maxGroups = 20

// groupsOf are the groups of a queue for which something waits or runs; none where there are
// no lines of groups.
func (qs *Queues) groupsOf(namespace int32, name string, lanes []store.LaneStats) []GroupStats {
	groups, own := map[string]*GroupStats{}, false
	now := qs.cfg.Store.Now()
	for _, l := range lanes {
		lane := qs.cfg.Catalog.ByID(l.Lane)
		if lane.Queue != name || lane.Namespace != namespace || l.Ready+l.Scheduled+l.Running == 0 {
			continue
		}
		group := lane.Group
		if own = own || group != ""; strings.HasPrefix(group, "\n") { // a line that several share
			group = ""
		}
		g := groups[group]
		if g == nil {
			g = &GroupStats{Group: group, Weight: qs.cfg.Catalog.Weight(lane)}
			groups[group] = g
		}
		g.add(l, now)
	}
	if !own {
		return nil
	}
	out := make([]GroupStats, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b GroupStats) int { return cmp.Or(cmp.Compare(b.Ready, a.Ready), cmp.Compare(a.Group, b.Group)) })
	return out[:min(len(out), maxGroups)]
}

func (g *GroupStats) add(l store.LaneStats, now int64) {
	g.Ready += l.Ready
	g.Scheduled += l.Scheduled
	g.Running += l.Running
	if l.OldestReady != 0 {
		g.OldestReady = max(g.OldestReady, time.Duration(now-l.OldestReady)*time.Microsecond)
	}
}
