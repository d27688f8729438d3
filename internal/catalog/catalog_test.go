package catalog_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/catalog"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

func newCatalog(t *testing.T) (*catalog.Catalog, *storetest.Oracle) {
	db := storetest.NewOracle(func() int64 { return time.Now().UnixMicro() })
	c := catalog.New(db)
	require.NoError(t, c.Refresh(t.Context()))
	return c, db
}

func TestAQueueIsFoundInItsNamespaceOnly(t *testing.T) {
	c, _ := newCatalog(t)
	mine, err := c.Lane(t.Context(), 1, "q", task.AnyPool)
	require.NoError(t, err)
	_, found := c.Queue(7, "q")
	require.False(t, found)
	theirs, err := c.Lane(t.Context(), 7, "q", task.AnyPool)
	require.NoError(t, err)
	require.NotEqual(t, mine.ID, theirs.ID)
	again, err := c.Lane(t.Context(), 1, "q", task.AnyPool)
	require.NoError(t, err)
	require.Equal(t, mine, again)

	c.SetPaused(mine.QueueID, true)
	for namespace, paused := range map[int32]bool{1: true, 7: false} {
		q, found := c.Queue(namespace, "q")
		require.True(t, found)
		require.Equal(t, paused, q.Paused)
		require.Len(t, c.Queues(namespace), 1)
	}
	require.True(t, c.ByID(mine.ID).Paused)
	require.False(t, c.ByID(theirs.ID).Paused)
}

func TestTheOldestNodeThatIsAliveIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, db := newCatalog(t)
		least := func() int32 {
			require.NoError(t, c.Refresh(t.Context()))
			return c.Least(5)
		}
		require.EqualValues(t, 5, least(), "nobody is there but us")
		for id, version := range map[byte]int32{1: 5, 2: 4, 3: 6} {
			require.NoError(t, db.Register(t.Context(), store.Node{ID: task.ID{id}, Version: version}, time.Minute.Microseconds()))
		}
		require.EqualValues(t, 4, least())
		_, err := db.Heartbeat(t.Context(), task.ID{1}, time.Hour.Microseconds(), false)
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		require.EqualValues(t, 5, least(), "the lease of the older one has run out")
	})
}

func TestGroupsHaveLinesOfTheirOwnWhereTheyTakeTurns(t *testing.T) {
	c, db := newCatalog(t)
	plain, err := c.LaneOf(t.Context(), 1, "q", task.AnyPool, "acme")
	require.NoError(t, err)
	require.Empty(t, plain.Group, "the queue is first in, first out")
	set := func(q task.QueueSettings) {
		had, _ := c.Queue(1, "q")
		require.NoError(t, db.SetSettings(t.Context(), plain.QueueID, had.Settings, q.Encode()))
		require.NoError(t, c.Refresh(t.Context()))
	}
	lane := func(group string) store.Lane {
		l, err := c.LaneOf(t.Context(), 1, "q", task.AnyPool, group)
		require.NoError(t, err)
		return l
	}
	set(task.QueueSettings{Discipline: task.Fair, Weights: task.NewWeights(map[string]int32{"acme": 4})})
	acme, other := lane("acme"), lane("other")
	require.Equal(t, "acme", acme.Group)
	require.Equal(t, task.AnyPool, acme.Pool)
	require.NotEqual(t, acme.ID, other.ID)
	require.Equal(t, plain.ID, lane("").ID)
	require.Equal(t, []int32{4, 1, 1}, []int32{c.Weight(acme), c.Weight(other), c.Weight(plain)})

	for i := range catalog.MaxGroups {
		lane(fmt.Sprint(i))
	}
	require.Equal(t, acme.ID, lane("acme").ID)
	require.Equal(t, lane("one too many").ID, lane("one too many").ID)
	require.LessOrEqual(t, len(c.Lanes(func(l store.Lane) bool { return l.Group != "" })), catalog.MaxGroups+16)

	require.NoError(t, db.Register(t.Context(), store.Node{ID: task.ID{9}, Version: 5}, time.Hour.Microseconds()))
	require.NoError(t, c.Refresh(t.Context()))
	require.Equal(t, plain.ID, lane("acme").ID, "a node is alive that knows nothing of them")

	set(task.QueueSettings{})
	require.Equal(t, plain.ID, lane("acme").ID)
	require.EqualValues(t, 1, c.Weight(acme))
}
