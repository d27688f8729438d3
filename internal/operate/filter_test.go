package operate

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// variety stores tasks that differ in all that can be selected by.
func variety(t *testing.T, r *rig) {
	for i := range 60 {
		time.Sleep(time.Second)
		spec := task.Spec{
			URL: fmt.Sprintf("http://h%d/", i%3), Name: fmt.Sprint("n", i%4), Group: fmt.Sprint("g", i%2),
			Labels: map[string]string{"i": fmt.Sprint(i % 5)}, ClientID: fmt.Sprintf("c%d-%d", i%2, i),
		}
		id := r.insert(t, fmt.Sprint("q", i%3), spec, func(n *store.NewTask) {
			if n.Priority = int16(i % 10); i%7 == 0 {
				n.RunAt = time.Now().Add(time.Duration(100-i) * time.Hour).UnixMicro()
			}
		})
		rows, err := r.Rows(t.Context(), []task.ID{parsed(t, id)})
		require.NoError(t, err)
		if i%7 == 0 || i%4 == 3 {
			continue
		}
		b, err := r.Claim(t.Context(), store.ClaimRequest{ID: task.ID{0xd, byte(i)}, Node: r.node, Limit: 1, Slots: []store.ClaimSlot{{Lane: rows[0].Lane, Priority: rows[0].Priority, Limit: 1}}})
		require.NoError(t, err)
		if i%4 == 2 || len(b.Tasks) == 0 {
			continue
		}
		time.Sleep(time.Second)
		tr := store.Transition{ID: b.Tasks[0].ID, Token: b.Tasks[0].Token, Outcome: task.Failure, Code: int32(500 + i%4), Error: fmt.Sprint("Boom ", i%6), Decision: task.Decision{To: task.Failed, Reason: task.Exhausted, Failures: 1}}
		if i%4 == 0 {
			tr = store.Transition{ID: tr.ID, Token: tr.Token, Outcome: task.Success, Code: 200, Decision: task.Decision{To: task.Succeeded}}
		}
		errs, _, err := r.Settle(t.Context(), []store.Transition{tr})
		require.NoError(t, err)
		require.NoError(t, errs[0])
	}
}

// TestAListingIsWhatAFullScanFinds: random filters, page by page, in every sort.
func TestAListingIsWhatAFullScanFinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		start := time.Now()
		variety(t, r)
		all := r.everything(t)
		at := func() string { return start.Add(time.Duration(rand.IntN(120)) * time.Second).Format(time.RFC3339Nano) }
		choices := map[string]func() string{
			"state": func() string { return task.States[rand.IntN(len(task.States))].String() }, "queue": func() string { return fmt.Sprint("q", rand.IntN(4)) },
			"name": func() string { return fmt.Sprint("n", rand.IntN(5)) }, "target_host": func() string { return fmt.Sprint("H", rand.IntN(3)) },
			"group": func() string { return fmt.Sprint("g", rand.IntN(2)) }, "priority": func() string { return fmt.Sprint(rand.IntN(10)) },
			"last_status": func() string { return []string{"200", "501", "5xx", "2xx"}[rand.IntN(4)] }, "code": func() string { return "502" },
			"reason": func() string { return "exhausted" }, "kind": func() string { return "http" }, "node": func() string { return r.node.String() },
			"error": func() string { return fmt.Sprint("boom ", rand.IntN(6)) }, "label.i": func() string { return fmt.Sprint(rand.IntN(6)) },
			"min_attempts": func() string { return "1" }, "id_prefix": func() string { return fmt.Sprint("c", rand.IntN(2)) },
			"created_after": at, "created_before": at, "started_after": at, "started_before": at, "finished_after": at, "finished_before": at,
		}
		found := 0
		for range 3000 {
			params := url.Values{}
			for name, value := range choices {
				switch _, tested := fields[name]; {
				case rand.IntN(12) > 0:
				case tested && rand.IntN(2) == 0:
					params[name+"!"] = []string{value(), value()}
				case tested:
					params[name] = []string{value(), value()}
				default:
					params[name] = []string{value()}
				}
			}
			sort := []string{"", "", "-finished_at", "next_at", "position", "started_at"}[rand.IntN(6)]
			if sort != "" {
				params["state"] = []string{orders[sort].state.String()}
			}
			var bad task.Invalid
			f := ParseFilter(params, &bad)
			f.Sort, f.Limit, f.Count = sort, 1+rand.IntN(9), true
			f.CheckSort(&bad)
			require.Empty(t, bad, "%v", params)
			found += r.compare(t, f, all)
		}
		require.Greater(t, found, 3000, "hardly anything was selected")
	})
}

func (r *rig) everything(t *testing.T) (all []Task) {
	snap, err := r.Snapshot(t.Context())
	require.NoError(t, err)
	for _, row := range snap.Tasks {
		all = append(all, view(row, r.tasks.cfg.Lanes))
	}
	slices.Reverse(all)
	return all
}

// compare goes through a listing and a full scan, and returns how many tasks it were.
func (r *rig) compare(t *testing.T, f Filter, all []Task) int {
	var want, got []string
	scanned := slices.DeleteFunc(slices.Clone(all), func(task Task) bool { return !f.matches(&task) })
	slices.SortStableFunc(scanned, func(a, b Task) int {
		at := func(t *Task) store.Mark {
			return store.Mark{ID: t.ID, At: map[string]int64{"-finished_at": t.FinishedAt, "next_at": t.At, "position": store.PlaceMark(t.Priority, t.At), "started_at": t.LastStarted}[f.Sort]}
		}
		if f.Sort == "" {
			return 0
		}
		return orders[f.Sort].by.Compare(at(&a), at(&b))
	})
	for i := range scanned {
		want = append(want, scanned[i].PublicID())
	}
	for {
		page, err := r.tasks.List(t.Context(), f)
		require.NoError(t, err)
		require.Equal(t, Count{len(want), true}, *page.Count)
		require.LessOrEqual(t, len(page.Items), f.Limit)
		for i := range page.Items {
			got = append(got, page.Items[i].PublicID())
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	require.Equal(t, want, got, "%+v", f)
	return len(got)
}

func TestACursorIsOfOneFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		variety(t, r)
		page, err := r.tasks.List(t.Context(), Filter{Limit: 1})
		require.NoError(t, err)
		_, err = r.tasks.List(t.Context(), Filter{Limit: 7, Cursor: page.Next})
		require.NoError(t, err, "the size of a page may change")
		_, err = r.tasks.List(t.Context(), Filter{Queue: "q1", Cursor: page.Next})
		require.ErrorIs(t, err, ErrOtherFilter)
		require.ErrorIs(t, err, ErrBadCursor)
	})
}

func TestAFilterThatCannotBeReadIsRefused(t *testing.T) {
	for param, want := range map[string]string{
		"nope=1": "is not a filter", "state=x": "unknown state", "kind=x": "want one of http", "priority=10": "want 0 to 9", "last_status=5x": "want a status",
		"last_status=xx": "want a status", "min_attempts=0": "from 1 on", "created_after=x": "want", "queue=": "is empty", "root_id=a&root_id=b": "given 2 times",
		"error!=x": "is not a filter", "name!=": "is empty", "label.a=1&label.a=2": "given 2 times",
	} {
		params, err := url.ParseQuery(param)
		require.NoError(t, err)
		var bad task.Invalid
		ParseFilter(params, &bad)
		require.NotEmpty(t, bad, param)
		require.Contains(t, bad.Err().Error(), want, param)
	}
	f := Filter{Sort: "next_at"}
	var bad task.Invalid
	f.CheckSort(&bad)
	require.ErrorContains(t, bad.Err(), "add state=scheduled")
}
