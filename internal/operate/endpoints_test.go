package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
	"github.com/sendoff-dev/sendoff/task"
)

// caller is a node that calls endpoints.
type caller struct {
	id   task.ID
	name string

	mu    sync.Mutex
	list  []Endpoint
	has   []Worker
	reset []string

	probed []string
}

func (c *caller) workers() []Worker {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.has)
}

func (c *caller) Self() (task.ID, string) { return c.id, c.name }

func (c *caller) Endpoints() []Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

func (c *caller) ResetEndpoint(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset = append(c.reset, name)
	return slices.ContainsFunc(c.list, func(e Endpoint) bool { return e.Endpoint == name })
}

func (c *caller) ProbeEndpoint(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probed = append(c.probed, name)
	return slices.ContainsFunc(c.list, func(e Endpoint) bool { return e.Endpoint == name })
}

func (c *caller) probes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.probed)
}

func (c *caller) resets() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.reset)
}

// cluster is some nodes over one store, whose hints are heard or not.
func cluster(t *testing.T, heard bool, callers ...*caller) []*Endpoints {
	db := storetest.NewShared(func() int64 { return time.Now().UnixMicro() })
	var all []*Endpoints
	for i, c := range callers {
		c.id, c.name = task.ID{byte(i + 1)}, fmt.Sprintf("node-%d", i)
		require.NoError(t, db.Register(t.Context(), store.Node{ID: c.id, Name: c.name}, time.Hour.Microseconds()))
		all = append(all, NewEndpoints(EndpointsConfig{Store: db, Called: c, Workers: c.workers, Shared: true, Asked: func() {
			for _, other := range all {
				if heard {
					other.Look()
				}
			}
		}}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, e := range all {
		running.Go(func() { require.NoError(t, e.Run(ctx)) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return all
}

func at(second int) int64 { return time.Date(2000, 1, 1, 0, 0, second, 0, time.UTC).UnixMicro() }

func TestAnEndpointIsShownAsAllNodesKnowIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &caller{list: []Endpoint{
			{Endpoint: "http://x", Kind: task.HTTP, State: "slow", Reason: "throttled", Since: at(2), Limit: 8, InFlight: 8, Succeeded: 5, LastError: "old", Used: at(3)},
			{Endpoint: "http://x", Kind: task.Function, State: "open", Limit: 20, SDK: "sendoff-go"},
		}}
		b := &caller{list: []Endpoint{
			{Endpoint: "http://x", Kind: task.HTTP, State: "paused", Reason: "unreachable", Detail: "refused", Since: at(7), PausedUntil: at(9), Limit: 64, Failed: 6, PutOff: 2, LastError: "new", Used: at(8)},
			{Endpoint: "http://only.here", Kind: task.HTTP, State: "open", Limit: 64},
		}}
		c := &caller{}
		all := cluster(t, true, a, b, c)
		time.Sleep(4 * time.Second)
		for i, e := range all {
			list, err := e.List(t.Context())
			require.NoError(t, err)
			require.Len(t, list, 3)
			require.Equal(t, "http://only.here", list[0].Endpoint.Endpoint)
			require.Equal(t, Endpoint{
				Endpoint: "http://x", Kind: task.HTTP, State: "paused", Reason: "unreachable", Detail: "refused", Since: at(7), PausedUntil: at(9),
				Limit: 72, InFlight: 8, Succeeded: 5, Failed: 6, PutOff: 2, LastError: "new", Used: at(8),
			}, list[1].Endpoint, "asked of node %d", i)
			require.Equal(t, task.Function, list[2].Kind)
			require.Equal(t, []string{"node-0", "node-1"}, []string{list[1].Nodes[0].Name, list[1].Nodes[1].Name})
			require.Equal(t, "slow", list[1].Nodes[0].State)
		}
	})
}

// Workers are shown on all nodes, first those of the node that is asked.
func TestWorkersOfAllNodesAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &caller{has: []Worker{{Number: 4, PID: 40, State: "running", Done: 7, Task: "t", Process: strings.Repeat("p", 500), Memory: 9}}}
		b := &caller{has: make([]Worker, 300)}
		all := cluster(t, true, a, b, &caller{})
		time.Sleep(4 * time.Second)
		shown := func(node int) (names []string, workers []WorkerOnNode) {
			workers, err := all[node].Workers(t.Context())
			require.NoError(t, err)
			for _, w := range workers {
				names = append(names, w.Name)
			}
			return slices.Compact(names), workers
		}
		names, workers := shown(1)
		require.Equal(t, []string{"node-1", "node-0"}, names)
		require.Len(t, workers, 301)
		last := workers[300]
		require.Equal(t, []any{task.ID{1}, "running", 7, "t", int64(9)}, []any{last.Node, last.State, last.Done, last.Task, last.Memory})
		require.Len(t, last.Process, maxText+3)
		names, workers = shown(2)
		require.Equal(t, []string{"node-0", "node-1"}, names)
		require.Len(t, workers, 1+maxTold)
		require.Equal(t, at(3), workers[0].At)
		a.mu.Lock()
		a.has[0].State = "idle"
		a.mu.Unlock()
		time.Sleep(4 * time.Second)
		_, workers = shown(2)
		require.Equal(t, "idle", workers[0].State)
	})
}

// A node tells what is held back before the rest, and no more than fits.
func TestANodeTellsWhatIsHeldBackFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &caller{}, &caller{}
		for i := range 1000 {
			a.list = append(a.list, Endpoint{Endpoint: fmt.Sprintf("http://%04d", i), Kind: task.HTTP, State: "open", Used: int64(i), LastError: strings.Repeat("ü", 500)})
		}
		a.list[3].State, a.list[4].State = "slow", "paused"
		all := cluster(t, true, a, b)
		time.Sleep(4 * time.Second)
		list, err := all[1].List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, maxTold)
		require.Equal(t, []string{"slow", "paused"}, []string{list[0].State, list[1].State})
		require.Equal(t, "http://0999", list[maxTold-1].Endpoint.Endpoint)
		require.LessOrEqual(t, len(list[0].LastError), maxText+3)
		list, err = all[0].List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1000, "a node shows all of its own")
	})
}

func TestAResetReachesAllNodesOnce(t *testing.T) {
	for _, heard := range []bool{true, false} {
		t.Run(fmt.Sprint("hints are heard: ", heard), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &caller{list: []Endpoint{{Endpoint: "https://app.example", Kind: task.HTTP, State: "slow"}}}
				b := &caller{list: []Endpoint{{Endpoint: "https://app.example/fn", Kind: task.Function, State: "paused"}}}
				all := cluster(t, heard, a, b)
				time.Sleep(4 * time.Second)
				for url, want := range map[string]string{
					"https://APP.example:443/hook?x=1": "https://app.example", "https://app.example/fn/": "https://app.example/fn",
					" https://user:secret@app.example ": "https://app.example",
				} {
					before := len(b.resets())
					name, err := all[0].Reset(t.Context(), url)
					require.NoError(t, err)
					require.Equal(t, want, name)
					if heard {
						synctest.Wait()
					} else {
						time.Sleep(4 * time.Second)
					}
					require.Equal(t, []string{want}, b.resets()[before:])
				}
				before := len(a.resets()) + len(b.resets())
				time.Sleep(time.Hour)
				require.Equal(t, before, len(a.resets())+len(b.resets()), "each is done once")
				_, err := all[0].Reset(t.Context(), "https://elsewhere.example")
				require.ErrorIs(t, err, store.ErrNotFound)
				require.ErrorContains(t, err, "https://elsewhere.example")
				for _, bad := range []string{"", "app.example", "://"} {
					_, err := all[0].Reset(t.Context(), bad)
					require.ErrorAs(t, err, &task.Invalid{})
				}
			})
		})
	}
}

// What nothing has changed is not written again.
func TestANodeWritesWhatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &caller{list: []Endpoint{{Endpoint: "http://x", Kind: task.HTTP, State: "open"}}}
		all := cluster(t, true, a)
		time.Sleep(time.Minute)
		views, err := all[0].cfg.Store.Views(t.Context())
		require.NoError(t, err)
		require.Len(t, views, 1)
		first := views[0].At
		require.Less(t, first, at(4), "nothing has changed since")
		a.mu.Lock()
		a.list[0].Failed++
		a.mu.Unlock()
		time.Sleep(time.Minute)
		views, err = all[0].cfg.Store.Views(t.Context())
		require.NoError(t, err)
		require.Greater(t, views[0].At, first)
		require.Less(t, views[0].At-first, (time.Minute + 4*time.Second).Microseconds())
	})
}

func TestAProbeAndAPauseReachAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &caller{}, &caller{list: []Endpoint{{Endpoint: "http://app:8080/x", Kind: task.Function}}}
		all := cluster(t, true, a, b)
		time.Sleep(4 * time.Second) // b has told what it knows
		p, err := all[0].Probe(t.Context(), "APP:8080")
		require.NoError(t, err)
		require.Equal(t, Probe{Host: "app:8080", Endpoints: []string{"http://app:8080/x"}}, p)
		synctest.Wait()
		require.Equal(t, []string{"http://app:8080/x"}, b.probes())

		_, err = all[0].PauseHost(t.Context(), "app:8080", true)
		require.NoError(t, err)
		synctest.Wait()
		for _, node := range all {
			require.NotZero(t, node.PausedSince("App:8080"))
		}
		for i := 1; i < maxPaused; i++ {
			_, err = all[1].PauseHost(t.Context(), fmt.Sprint("h", i), true)
			require.NoError(t, err)
		}
		_, err = all[1].PauseHost(t.Context(), "one-more", true)
		require.ErrorContains(t, err, "1000 hosts are paused, resume one of them first")
		_, err = all[1].PauseHost(t.Context(), "h1", true)
		require.NoError(t, err, "it is one of them")
		for _, same := range []string{"h1:443", "h1:80", "https://h1/x", "http://H1:80"} {
			h, err := all[1].PauseHost(t.Context(), same, true)
			require.NoError(t, err)
			require.Equal(t, "h1", h.Host, same)
		}
	})
}
