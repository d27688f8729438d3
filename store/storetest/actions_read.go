package storetest

import (
	"bytes"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func (m *machine) read(t *rapid.T) {
	id := m.anyID(t)
	m.readAttempts(id)
	m.readPayload(id)
	m.findKey(rapid.SampledFrom([]store.KeyKind{store.IdempotencyKey, store.UniqueKey}).Draw(t, "kind"), m.hash(t))
	m.readStats()
	m.probe(rapid.SampledFrom(m.lanes).Draw(t, "lane").ID, 5, 0)
	m.lookForLost(m.held)
	m.readFunction(t)
	m.readWaits(t)
}

func (m *machine) readAttempts(id task.ID) {
	last, err := m.real.LastAttempt(ctx, id)
	wantLast, wantErr := m.oracle.LastAttempt(ctx, id)
	m.same("last attempt", errName(err), errName(wantErr))
	m.same("last attempt", last, wantLast)
	_, more, err := m.real.Attempts(ctx, id, 0, 1, 1)
	require.NoError(m.rt, err)
	_, wantMore, _ := m.oracle.Attempts(ctx, id, 0, 1, 1)
	m.same("more attempts", more, wantMore)
	got, _, err := m.real.Attempts(ctx, id, 0, 1000, 1<<30)
	require.NoError(m.rt, err)
	want, _, _ := m.oracle.Attempts(ctx, id, 0, 1000, 1<<30)
	m.same("attempts", got, want)
	if len(got) > 0 {
		m.saw("attempts:some")
	}
}

func (m *machine) readPayload(id task.ID) {
	payload, err := m.real.Payload(ctx, id)
	wantPayload, wantErr := m.oracle.Payload(ctx, id)
	m.same("payload", errName(err), errName(wantErr))
	m.same("payload", payload, wantPayload)
	m.saw("payload:" + errName(err))
}

func (m *machine) findKey(kind store.KeyKind, hash store.Hash) {
	owner, err := m.real.FindKey(ctx, store.DefaultNamespace, kind, hash)
	wantOwner, wantErr := m.oracle.FindKey(ctx, store.DefaultNamespace, kind, hash)
	m.same("key", errName(err), errName(wantErr))
	m.same("key", owner, wantOwner)
	m.saw("key:" + map[bool]string{true: "found", false: "not-found"}[err == nil])
}

func (m *machine) readStats() {
	stats, err := m.real.Stats(ctx)
	require.NoError(m.rt, err)
	wantStats, _ := m.oracle.Stats(ctx)
	m.same("stats", stats, wantStats)
	if len(stats) > 0 {
		m.saw("stats:some")
	}
}

// probe looks for what has become ready from a moment on, up to now.
func (m *machine) probe(lane int32, priority int16, from int64) {
	pos, found, err := m.real.Probe(ctx, lane, priority, from, m.now)
	require.NoError(m.rt, err)
	wantPos, wantFound, _ := m.oracle.Probe(ctx, lane, priority, from, m.now)
	m.same("probe", found, wantFound)
	if found {
		m.same("probe", pos, wantPos)
	}
	m.saw("probe:" + map[bool]string{true: "found", false: "none"}[found])
}

func (m *machine) lookForLost(claimed []store.Claimed) {
	var held []store.Held
	for _, c := range claimed {
		held = append(held, store.Held{ID: c.ID, Token: c.Token})
	}
	lost, err := m.real.Lost(ctx, held)
	require.NoError(m.rt, err)
	wantLost, _ := m.oracle.Lost(ctx, held)
	byID := func(a, b task.ID) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(lost, byID)
	slices.SortFunc(wantLost, byID)
	m.same("lost", lost, wantLost)
	if len(lost) > 0 {
		m.saw("lost:some")
	}
}

func (m *machine) list(t *rapid.T) {
	q := store.Query{Limit: rapid.IntRange(1, 5).Draw(t, "limit"), Scan: rapid.SampledFrom([]int{0, 2, 10}).Draw(t, "scan")}
	if rapid.Bool().Draw(t, "by lane") {
		q.Lanes = []int32{rapid.SampledFrom(m.lanes).Draw(t, "lane").ID}
	}
	if rapid.Bool().Draw(t, "by state") {
		q.States = rapid.SliceOfNDistinct(rapid.SampledFrom(task.States), 1, 3, rapid.ID).Draw(t, "states")
	}
	if rapid.Bool().Draw(t, "before") {
		q.Before = m.anyID(t)
	}
	m.listBy(q)
	m.listOrdered(rapid.IntRange(1, 4).Draw(t, "page"))
}

func (m *machine) listBy(q store.Query) {
	got, want := m.listAll(m.real, q), m.listAll(m.oracle, q)
	m.same("list", got, want)
	if len(got) > 0 {
		m.saw("list:some")
	}
}

// listOrdered goes through the work lists in their order, page by page.
func (m *machine) listOrdered(limit int) {
	lanes := []int32{m.lanes[0].ID, m.lanes[1].ID}
	for _, by := range []store.Order{store.ByFailure, store.ByDue, store.ByPlace, store.ByStart} {
		var after store.Mark
		for {
			got, err := m.real.ListBy(ctx, by, lanes, after, limit)
			require.NoError(m.rt, err)
			want, _ := m.oracle.ListBy(ctx, by, lanes, after, limit)
			m.same("list by order", len(got), len(want))
			for i := range got {
				m.same("list by order", got[i], want[i])
			}
			if len(got) < limit {
				break
			}
			after = got[limit-1]
			m.saw("list-by:some")
		}
	}
}

// listAll goes through the pages of a listing. Where a page ends is the store's
// affair, as long as none is longer than asked for and nothing is left out.
func (m *machine) listAll(s store.Reader, q store.Query) (all []store.Row) {
	for {
		rows, next, err := s.List(ctx, q)
		require.NoError(m.rt, err)
		require.LessOrEqual(m.rt, len(rows), q.Limit)
		all = append(all, rows...)
		if next.IsZero() {
			return all
		}
		q.Before = next
	}
}

func (m *machine) readFunction(t *rapid.T) {
	id := m.anyID(t)
	if waiting := m.suspended(); len(waiting) > 0 {
		id = rapid.SampledFrom(waiting).Draw(t, "waiting")
	}
	limit, size := rapid.IntRange(1, 4).Draw(t, "messages"), rapid.SampledFrom([]int{0, 10, 1 << 20}).Draw(t, "bytes")
	m.readProgress(id, rapid.Int64Range(0, 3).Draw(t, "behind"), limit, size)
	m.readTree(id, rapid.SampledFrom([]task.ID{{}, m.anyID(t)}).Draw(t, "after"), limit)
}

func (m *machine) readProgress(id task.ID, after int64, messages, bytes int) {
	got, err := m.real.Resume(ctx, id, after, messages, bytes)
	require.NoError(m.rt, err)
	want, _ := m.oracle.Resume(ctx, id, after, messages, bytes)
	m.same("resumption", got, want)

	journal, err := m.real.Journal(ctx, id)
	require.NoError(m.rt, err)
	wantJournal, _ := m.oracle.Journal(ctx, id)
	m.same("journal", journal, wantJournal)
}

func (m *machine) readTree(id, after task.ID, limit int) {
	tree, err := m.real.Tree(ctx, id, after, limit)
	require.NoError(m.rt, err)
	wantTree, _ := m.oracle.Tree(ctx, id, after, limit)
	m.same("tree", tree, wantTree)
	for _, q := range []store.Query{
		{}, {Scan: 2}, {Lanes: []int32{m.lanes[0].ID}}, {States: []task.State{task.Ready, task.Failed}, Scan: 10}, {States: []task.State{task.Ready}},
		{Before: after}, {From: after, Lanes: []int32{m.lanes[0].ID, m.lanes[1].ID}, Scan: 3},
	} {
		q.Root, q.Limit = id, limit
		m.same("list of a tree", m.listAll(m.real, q), m.listAll(m.oracle, q))
	}
	if len(tree) > 1 {
		m.saw("tree:some")
	}
}
