package catalog

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const (
	// sinceGroups is the version of the first nodes that claim from the lines of groups.
	sinceGroups = 6

	// MaxGroups is how many groups of a queue, in all its pools, get lines of their own.
	MaxGroups = 1000

	// sharedLines are for the groups beyond those: each of them keeps to one of these.
	sharedLines = 16
)

// LaneOf is Lane for a task of a group. Where groups take turns it has one of its own, which is
// made when it is new.
func (c *Catalog) LaneOf(ctx context.Context, namespace int32, queue, pool, group string) (store.Lane, error) {
	return c.Lane(ctx, namespace, queue, c.PoolOf(namespace, queue, pool, group))
}

// PoolOf is the pool to ask Lane or Known for, for a task of a group: see store.GroupPool.
func (c *Catalog) PoolOf(namespace int32, queue, pool, group string) string {
	if group == "" {
		return pool
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	q, known := c.queues[queueName{namespace, queue}]
	if !known || q.settings.Discipline != task.Fair || c.least < sinceGroups {
		return pool
	}
	own := store.GroupPool(pool, group)
	if _, made := c.byName[laneName{namespace, queue, own}]; made || c.groups[q.ID] < MaxGroups {
		return own
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(group))                                            // of a hash, never an error
	return store.GroupPool(pool, fmt.Sprintf("\n%d", h.Sum32()%sharedLines)) // no group is named so
}

// Weight is how often the line of a lane is asked, against others of its queue: 1 unless
// something else was set.
func (c *Catalog) Weight(l store.Lane) int32 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	q := c.queues[queueName{l.Namespace, l.Queue}]
	if w := q.weights[l.Group]; w > 0 && q.settings.Discipline == task.Fair {
		return w
	}
	return 1
}
