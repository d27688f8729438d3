package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/store"
)

// keepGraphs puts, reads, lists or deletes definitions of graphs.
func (m *machine) keepGraphs(t *rapid.T) {
	ns := rapid.SampledFrom([]int32{1, 1, 1, 2}).Draw(t, "namespace")
	name := rapid.SampledFrom([]string{"a", "B", "b", "ä"}).Draw(t, "graph")
	switch rapid.IntRange(0, 6).Draw(t, "step") {
	case 0:
		m.deleteGraph(ns, name)
	case 1:
		m.listGraphs(ns, rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "after"), rapid.IntRange(1, 3).Draw(t, "limit"))
	case 2, 3:
		m.readGraph(ns, name, rapid.Int32Range(0, 3).Draw(t, "rev"))
	default:
		m.putGraph(ns, name, definitions[rapid.IntRange(0, len(definitions)-1).Draw(t, "definition")])
	}
	m.compareGraphs()
}

var definitions = [][]byte{[]byte("{}"), []byte("\x00\xff"), bytes.Repeat([]byte("long "), 1000)}

func (m *machine) putGraph(ns int32, name string, definition []byte) {
	got, made, err := m.real.PutGraph(ctx, ns, name, definition)
	require.NoError(m.rt, err)
	want, wantMade, _ := m.oracle.PutGraph(ctx, ns, name, definition)
	m.same("graph kept", got, want)
	m.same("graph made", made, wantMade)
	m.saw("graph:" + map[bool]string{true: "made", false: "as-it-was"}[made])
}

func (m *machine) readGraph(ns int32, name string, rev int32) {
	got, err := m.real.Graph(ctx, ns, name, rev)
	want, wantErr := m.oracle.Graph(ctx, ns, name, rev)
	m.same("graph error", errName(err), errName(wantErr))
	m.same("graph", got, want)
	m.saw("graph:read-" + errName(err))
}

func (m *machine) listGraphs(ns int32, after string, limit int) []store.Graph {
	got, err := m.real.ListGraphs(ctx, ns, after, limit)
	require.NoError(m.rt, err)
	want, _ := m.oracle.ListGraphs(ctx, ns, after, limit)
	m.same("graphs", got, want)
	m.saw("graphs:" + map[bool]string{true: "some", false: "none"}[len(got) > 0])
	return got
}

func (m *machine) deleteGraph(ns int32, name string) {
	err := m.real.DeleteGraph(ctx, ns, name)
	m.same("delete graph", errName(err), errName(m.oracle.DeleteGraph(ctx, ns, name)))
	m.saw("graph:delete-" + errName(err))
}

// compareGraphs compares the latest revision of every name.
func (m *machine) compareGraphs() {
	for _, ns := range []int32{1, 2} {
		got, err := m.real.ListGraphs(ctx, ns, "", everything)
		require.NoError(m.rt, err)
		want, _ := m.oracle.ListGraphs(ctx, ns, "", everything)
		m.same("the stored graphs", got, want)
	}
}

// aimGraphs lead to each answer of store.Graphs.
var aimGraphs = map[string]func(*machine){
	"graph:made": func(m *machine) {
		m.putGraph(1, "a", []byte("one"))
		m.now++
		m.putGraph(1, "a", []byte("two"))
		m.now++
		m.putGraph(1, "a", []byte("one")) // not the latest: it is new
		m.putGraph(2, "a", []byte("one"))
		m.putGraph(1, "most", bytes.Repeat([]byte{0}, 1<<20))
		m.readGraph(1, "most", 0)
	},
	"graph:as-it-was": func(m *machine) {
		m.putGraph(1, "a", []byte("same"))
		m.now++
		m.putGraph(1, "a", []byte("same"))
	},
	"graph:read-ok": func(m *machine) {
		m.putGraph(1, "a", []byte("one"))
		m.putGraph(1, "a", []byte("two"))
		for rev := range int32(4) {
			m.readGraph(1, "a", rev)
		}
	},
	"graph:read-not-found": func(m *machine) {
		m.readGraph(1, "nobody's", 0)
		m.putGraph(1, "a", []byte("one"))
		m.readGraph(1, "a", 1000)
		m.readGraph(3, "a", 1)
	},
	"graphs:some": func(m *machine) {
		for _, name := range []string{"c", "a", "B"} {
			m.putGraph(1, name, []byte("one"))
			m.putGraph(1, name, []byte("two"))
		}
		m.listGraphs(1, "", everything)
		m.listGraphs(1, "", 2)
		m.listGraphs(1, "a", 2)
	},
	"graphs:none": func(m *machine) { m.listGraphs(3, "", 1) },
	"graph:delete-ok": func(m *machine) {
		m.putGraph(1, "a", []byte("one"))
		m.putGraph(1, "a", []byte("two"))
		m.deleteGraph(1, "a")
		m.readGraph(1, "a", 0)
		m.readGraph(1, "a", 1)
		m.putGraph(1, "a", []byte("two")) // the first again
	},
	"graph:delete-not-found": func(m *machine) { m.deleteGraph(1, "nobody's") },
}

var rulesOfGraphs = []rule{
	{"graphs put at a time get revisions without gaps, and each is kept once", graphsWithoutGaps},
}

func graphsWithoutGaps(m *machine) {
	const writers, each = 8, 10
	var wg sync.WaitGroup
	revs := make([][]int32, writers)
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			for n := range each {
				g, made, err := m.real.PutGraph(ctx, 1, "a", fmt.Appendf(nil, "%d of %d", n, i))
				if err != nil || !made {
					errs[i] = fmt.Errorf("made: %t, %w", made, err)
					return
				}
				revs[i] = append(revs[i], g.Rev)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(m.rt, err)
	}
	all := slices.Sorted(slices.Values(slices.Concat(revs...)))
	for i, rev := range all {
		require.EqualValues(m.rt, i+1, rev, "of %v", all)
		_, err := m.real.Graph(ctx, 1, "a", rev)
		require.NoError(m.rt, err, "revision %d", rev)
	}
	require.Len(m.rt, all, writers*each)
}
