package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// planned is an engine over a file that it comes back to.
type planned struct {
	*bundle
	t    *testing.T
	path string
}

func openPlanned(t *testing.T) *planned {
	p := &planned{t: t, path: filepath.Join(t.TempDir(), "sendoff.db")}
	p.start()
	return p
}

func (p *planned) start() {
	db, err := sqlite.Open(context.Background(), p.path, sqlite.Options{})
	require.NoError(p.t, err)
	e, err := engine.New(db, engine.Config{})
	require.NoError(p.t, err)
	engine.Handle(e, "h", func(context.Context, struct{}) error { return nil })
	engine.Handle(e, "slow", func(ctx context.Context, _ struct{}) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(150 * time.Second):
			return nil
		}
	})
	p.bundle = &bundle{Engine: e, db: db}
	p.run(p.t)
}

// hoursWithoutRace skips a test of virtual hours under the race detector, where their
// many quiet seconds take minutes.
func hoursWithoutRace(t *testing.T) {
	if underRace {
		t.Skip("virtual hours: without the race detector")
	}
}

// away stops the engine for a time.
func (p *planned) away(d time.Duration) {
	p.stop()
	time.Sleep(d)
	p.start()
}

func (p *planned) set(s engine.ScheduleSpec) engine.ScheduleInfo {
	if s.Task.Handler == "" && s.Task.URL == "" {
		s.Task = engine.Task{Handler: "h"}
	}
	info, err := p.Schedules().Set(context.Background(), s)
	require.NoError(p.t, err)
	return info
}

// fires are all of a schedule, the oldest first.
func (p *planned) fires(name string) []engine.Fire {
	var all []engine.Fire
	for cursor := ""; ; {
		page, next, err := p.Schedules().Fires(context.Background(), name, cursor, 500)
		require.NoError(p.t, err)
		all = append(all, page...)
		if cursor = next; cursor == "" {
			slices.Reverse(all)
			return all
		}
	}
}

func (p *planned) outcomes(name string) string {
	var list []string
	for _, f := range p.fires(name) {
		list = append(list, f.Due.UTC().Format("15:04")+" "+f.Outcome)
	}
	return strings.Join(list, ", ")
}

// TestVirtualHoursOfSchedules: nothing is fired twice and nothing is missed, while the
// engine is started anew now and then.
func TestVirtualHoursOfSchedules(t *testing.T) {
	hoursWithoutRace(t)
	synctest.Test(t, func(t *testing.T) {
		p := openPlanned(t)
		every := map[string]time.Duration{"minutely": time.Minute, "often": 7 * time.Second, "jittered": 3 * time.Minute}
		p.set(engine.ScheduleSpec{Name: "minutely", Cron: "* * * * *", CatchUp: engine.CatchUpAll})
		p.set(engine.ScheduleSpec{Name: "often", Every: every["often"], CatchUp: engine.CatchUpAll})
		p.set(engine.ScheduleSpec{Name: "jittered", Every: every["jittered"], Jitter: time.Minute, CatchUp: engine.CatchUpAll})
		for i := range 7 {
			time.Sleep(6*time.Minute - time.Duration(i)*31*time.Second)
			p.away(time.Duration(i) * 31 * time.Second)
		}
		time.Sleep(4 * time.Second)
		for name, each := range every {
			fires := p.fires(name)
			require.InDelta(t, min(7*6*time.Minute/each, 1000), len(fires), 1, name)
			require.LessOrEqual(t, time.Since(fires[len(fires)-1].Due), each+time.Second, name)
			for i, f := range fires {
				require.Equal(t, "fired", f.Outcome, name)
				if i > 0 {
					require.Equal(t, each, f.Due.Sub(fires[i-1].Due), "%s: %s", name, f.Due)
				}
				got, err := p.Tasks().Get(t.Context(), f.TaskID)
				if !errors.Is(err, store.ErrNotFound) { // its retention is over
					require.NoError(t, err)
					require.Equal(t, task.Succeeded, got.State)
				}
			}
		}
		p.stop()
	})
}

func TestAnOutageIsCaughtUpWith(t *testing.T) {
	hoursWithoutRace(t)
	synctest.Test(t, func(t *testing.T) { // it begins at midnight
		p := openPlanned(t)
		p.set(engine.ScheduleSpec{Name: "none", Cron: "*/10 * * * *", CatchUp: engine.CatchUpNone})
		p.set(engine.ScheduleSpec{Name: "one", Cron: "*/10 * * * *"})
		p.set(engine.ScheduleSpec{Name: "all", Cron: "*/10 * * * *", CatchUp: engine.CatchUpAll, CatchUpWindow: 12 * time.Minute})
		time.Sleep(15 * time.Minute)
		p.away(30 * time.Minute)
		time.Sleep(6 * time.Minute)
		require.Equal(t, "00:10 fired, 00:20 missed, 00:30 missed, 00:40 missed, 00:50 fired", p.outcomes("none"))
		require.Equal(t, "00:10 fired, 00:20 missed, 00:30 missed, 00:40 fired, 00:50 fired", p.outcomes("one"))
		require.Equal(t, "00:10 fired, 00:20 missed, 00:30 missed, 00:40 fired, 00:50 fired", p.outcomes("all"))
		require.Contains(t, p.fires("all")[1].Reason, "catch_up_window of 12m")
		p.stop()
	})
}

func TestASchedulePausesIsEditedAndEnds(t *testing.T) {
	hoursWithoutRace(t)
	synctest.Test(t, func(t *testing.T) {
		p := openPlanned(t)
		midnight := time.Now().UTC()
		p.set(engine.ScheduleSpec{Name: "s", Cron: "*/10 * * * *", EndsAt: midnight.Add(110 * time.Minute)})
		time.Sleep(15 * time.Minute)
		info, err := p.Schedules().Pause(t.Context(), "s")
		require.NoError(t, err)
		require.True(t, info.NextAt.IsZero())
		time.Sleep(20 * time.Minute)
		info, err = p.Schedules().Resume(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, midnight.Add(40*time.Minute), info.NextAt.UTC())
		time.Sleep(10 * time.Minute) // 00:45
		info = p.set(engine.ScheduleSpec{Name: "s", Cron: "*/10 * * * *", EndsAt: midnight.Add(110 * time.Minute), Task: engine.Task{Handler: "h", Name: "edited"}})
		require.EqualValues(t, 4, info.Revision)
		require.Equal(t, midnight.Add(50*time.Minute), info.NextAt.UTC())
		again := p.set(engine.ScheduleSpec{Name: "s", Cron: "*/10 * * * *", EndsAt: midnight.Add(110 * time.Minute), Task: engine.Task{Handler: "h", Name: "edited"}})
		require.Equal(t, info, again, "the same again changes nothing")
		time.Sleep(10 * time.Minute) // 00:55
		p.set(engine.ScheduleSpec{Name: "s", Every: time.Hour, EndsAt: midnight.Add(110 * time.Minute)})
		time.Sleep(time.Hour)
		require.Equal(t, "00:10 fired, 00:40 fired, 00:50 fired, 01:00 fired", p.outcomes("s"))
		info, err = p.Schedules().Get(t.Context(), "s")
		require.NoError(t, err)
		require.True(t, info.NextAt.IsZero(), "it is over")
		p.stop()
	})
}

// TestWhatIsDueWhenItIsChangedIsRecorded: the engine was away, and the change comes before
// it has looked.
func TestWhatIsDueWhenItIsChangedIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := openPlanned(t)
		p.set(engine.ScheduleSpec{Name: "s", Cron: "*/10 * * * *"})
		p.set(engine.ScheduleSpec{Name: "paused", Cron: "*/10 * * * *"})
		time.Sleep(5 * time.Minute)
		p.stop()
		time.Sleep(20 * time.Minute)
		db, err := sqlite.Open(context.Background(), p.path, sqlite.Options{})
		require.NoError(t, err)
		e, err := engine.New(db, engine.Config{}) // which does not run
		require.NoError(t, err)
		_, err = e.Schedules().Set(t.Context(), engine.ScheduleSpec{Name: "s", Every: time.Hour, Task: engine.Task{Handler: "h"}})
		require.NoError(t, err)
		_, err = e.Schedules().Pause(t.Context(), "paused")
		require.NoError(t, err)
		require.NoError(t, db.Close())
		p.start()
		require.Equal(t, "00:10 missed, 00:20 missed", p.outcomes("s"))
		require.Contains(t, p.fires("s")[0].Reason, "changed before it was fired")
		require.Equal(t, "00:10 missed, 00:20 missed", p.outcomes("paused"))
		p.stop()
	})
}

func TestOverlapIsTheRuleForWhatHasNotEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := openPlanned(t)
		for _, overlap := range []task.OnDuplicate{task.Parallel, task.Discard, task.Serial} {
			p.set(engine.ScheduleSpec{Name: overlap.String(), Every: time.Minute, Overlap: overlap, Task: engine.Task{Handler: "slow", Timeout: time.Hour}})
		}
		time.Sleep(7*time.Minute + time.Second)
		require.Equal(t, 7, strings.Count(p.outcomes("parallel"), "fired"))
		require.Equal(t, "00:01 fired, 00:02 skipped, 00:03 skipped, 00:04 fired, 00:05 skipped, 00:06 skipped, 00:07 fired", p.outcomes("discard"))
		fires := p.fires("discard")
		require.Equal(t, fires[0].TaskID, fires[1].TaskID)
		require.Contains(t, fires[1].Reason, "overlap: task "+fires[0].TaskID)
		require.Equal(t, 7, strings.Count(p.outcomes("serial"), "fired"))
		last := p.fires("serial")
		got, err := p.Tasks().Get(t.Context(), last[6].TaskID)
		require.NoError(t, err)
		require.Equal(t, task.Blocked, got.State)
		p.stop()
	})
}

func TestASchedulesTaskMayBeAnythingThatIsSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := openPlanned(t)
		p.set(engine.ScheduleSpec{Name: "s", Times: []time.Time{time.Now().Add(time.Minute), time.Now().Add(time.Hour)}, Task: engine.Task{
			URL: "http://example.com/hook", Method: "PUT", Headers: map[string]string{"X-A": "1"}, Body: []byte{0, 0xff}, Queue: "q", Delay: time.Hour,
			Retry: task.RetryPolicy{MaxAttempts: 7}, Labels: map[string]string{"a": "b"}, OrderKey: "o", Limits: []task.Limit{{Key: "l", Concurrency: 2}},
			OnFailure: &engine.Task{Handler: "h"},
		}})
		time.Sleep(2 * time.Minute)
		fires := p.fires("s")
		require.Len(t, fires, 1)
		got, err := p.Tasks().Get(t.Context(), fires[0].TaskID)
		require.NoError(t, err)
		require.Equal(t, "scheduled http q", fmt.Sprint(got.State, " ", got.Kind, " ", got.Queue))
		id, err := p.Schedules().Run(t.Context(), "s")
		require.NoError(t, err)
		fires = p.fires("s")
		require.Equal(t, id, fires[1].TaskID)
		require.Equal(t, "by hand", fires[1].Reason)
		info, err := p.Schedules().Get(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, time.Hour, info.NextAt.Sub(fires[0].Due.Add(-time.Minute)), "run now moves nothing")
		p.stop()
	})
}

func TestATaskThatCannotBeMadeIsSkippedWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := openPlanned(t)
		p.set(engine.ScheduleSpec{Name: "s", Every: time.Minute, Task: engine.Task{Handler: "h", DependsOn: []string{"nobody"}}})
		time.Sleep(2*time.Minute + time.Second)
		require.Equal(t, "00:01 skipped, 00:02 skipped", p.outcomes("s"))
		require.Contains(t, p.fires("s")[0].Reason, "depends on a task that is not there")
		p.stop()
	})
}

const everyMinute = `{"every":"1m","task":{"url":"http://127.0.0.1:9/x","payload":{"n":1}}}`

func TestSchedulesOverHTTP(t *testing.T) {
	t.Parallel()
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	ask := func(want int, method, path, body string) map[string]any {
		t.Helper()
		status, _, v := d.call(t, method, "/v1/schedules"+path, body)
		require.Equal(t, want, status, v)
		return v
	}
	tried := ask(200, "PUT", "/a%2Fb%20c?dry_run=true", everyMinute)
	require.Len(t, tried["next_fires"], 5)
	ask(404, "GET", "/a%2Fb%20c", "")
	one := ask(201, "PUT", "/a%2Fb%20c", everyMinute)
	require.Equal(t, "a/b c", one["name"])
	require.Equal(t, "one parallel 24h0m0s 1m0s", fmt.Sprint(one["catch_up"], " ", one["overlap"], " ", one["catch_up_window"], " ", one["every"]))
	require.Equal(t, 1.0, one["revision"])
	require.NotEmpty(t, one["next_at"])
	require.Equal(t, one, ask(200, "PUT", "/a%2Fb%20c", everyMinute))
	require.Equal(t, one, ask(200, "GET", "/a%2Fb%20c", ""))
	made := ask(201, "POST", "/a%2Fb%20c/run", "")
	require.Equal(t, "a/b c", made["schedule"])
	fires := ask(200, "GET", "/a%2Fb%20c/fires", "")["items"].([]any)
	require.Equal(t, made["id"], fires[0].(map[string]any)["task_id"])
	_, _, tasks := d.call(t, "GET", "/v1/tasks?schedule=a%2Fb%20c", "")
	require.Len(t, tasks["items"], 1)
	_, _, tasks = d.call(t, "GET", "/v1/tasks?schedule=other", "")
	require.Empty(t, tasks["items"])
	require.Len(t, ask(200, "GET", "/a%2Fb%20c/preview?n=3", "")["items"], 3)
	paused := ask(200, "POST", "/a%2Fb%20c/pause", "")
	require.Equal(t, true, paused["paused"])
	require.NotContains(t, paused, "next_at")
	require.Contains(t, ask(200, "POST", "/a%2Fb%20c/resume", ""), "next_at")
	require.Equal(t, "state_conflict", ask(409, "POST", "/a%2Fb%20c/reset", "")["code"])
	for _, name := range []string{"x", "y"} {
		ask(201, "PUT", "/"+name, everyMinute)
	}
	page := ask(200, "GET", "?limit=2", "")
	require.Len(t, page["items"], 2)
	require.Len(t, ask(200, "GET", "?cursor="+page["next_cursor"].(string), "")["items"], 1)
	ask(422, "GET", "?cursor=!", "")
	ask(204, "DELETE", "/a%2Fb%20c", "")
	for _, path := range []string{"", "/fires", "/preview"} {
		ask(404, "GET", "/a%2Fb%20c"+path, "")
	}
	for _, verb := range []string{"pause", "resume", "run", "reset"} {
		ask(404, "POST", "/a%2Fb%20c/"+verb, "")
	}
	ask(404, "DELETE", "/a%2Fb%20c", "")
}

func TestBadSchedulesAreRefused(t *testing.T) {
	t.Parallel()
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	for body, field := range map[string]string{
		`{"task":{"url":"http://127.0.0.1:9"}}`:                                 "cron",
		`{"every":"1s"}`:                                                        "task",
		`{"every":"999ms","task":{"url":"http://127.0.0.1:9"}}`:                 "every",
		`{"every":"1s","at":"2027-01-01T00:00:00Z","task":{"handler":"h"}}`:     "cron",
		`{"cron":"60 * * * *","task":{"handler":"h"}}`:                          "minute",
		`{"every":"1s","task":{"url":"ftp://x"}}`:                               "task.url",
		`{"every":"1s","task":{"handler":"h","id":"mine"}}`:                     "task.id",
		`{"every":"1s","task":{"handler":"h","urll":"x"}}`:                      "task.urll",
		`{"every":"1s","task":{"handler":"h","on_duplicate":"serial"}}`:         "task.on_duplicate",
		`{"every":"1s","task":{"handler":"h","run_at":"2030-01-01T00:00:00Z"}}`: "task.run_at",
		`{"every":"1s","tasks":{}}`:                                             "tasks",
		`{"every":"1s","task":{"handler":"h"},"overlap":"never"}`:               "overlap",
		`{"every":"1s","task":{"handler":"h"},"catch_up":"some"}`:               "catch_up",
		`{"every":"1s","task":{"handler":"h"},"timezone":"Mars/Base"}`:          "timezone",
		`{"every":"1s","task":{"handler":"h"},"ends_at":"tomorrow"}`:            "ends_at",
	} {
		status, _, v := d.call(t, "PUT", "/v1/schedules/s", body)
		require.Equal(t, http.StatusUnprocessableEntity, status, "%s: %v", body, v)
		require.Contains(t, fmt.Sprint(v["errors"]), "field:"+field+" ", body)
	}
	status, _, v := d.call(t, "PUT", "/v1/schedules/"+strings.Repeat("n", 201), everyMinute)
	require.Equal(t, http.StatusUnprocessableEntity, status, v)
	status, _, _ = d.call(t, "PUT", "/v1/schedules/s?dry=true", everyMinute)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	status, _, _ = d.call(t, "GET", "/v1/schedules/s", "")
	require.Equal(t, http.StatusNotFound, status)
}

// TestTenThousandSchedulesAtOnce prints how late the last of them is fired.
func TestTenThousandSchedulesAtOnce(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("it makes 10,000 schedules")
	}
	b := open(t, engine.Config{Roles: []engine.Role{engine.Accept, engine.Schedule}})
	const n = 10_000
	at := time.Now().Add(20 * time.Second)
	var g errgroup.Group
	g.SetLimit(100)
	for i := range n {
		g.Go(func() error {
			_, err := b.Schedules().Set(t.Context(), engine.ScheduleSpec{Name: fmt.Sprint("s", i), At: at, Task: engine.Task{Handler: "h"}})
			return err
		})
	}
	require.NoError(t, g.Wait())
	t.Logf("%d schedules were made %s before they were due", n, time.Until(at))
	b.run(t)
	defer func() { b.stop() }()
	var last time.Duration
	for i := range n {
		name := fmt.Sprint("s", i)
		for {
			fires, _, err := b.Schedules().Fires(t.Context(), name, "", 2)
			require.NoError(t, err)
			if len(fires) == 0 {
				time.Sleep(50 * time.Millisecond)
				continue
			}
			require.Len(t, fires, 1)
			require.Equal(t, "fired", fires[0].Outcome, fires[0].Reason)
			last = max(last, fires[0].FiredAt.Sub(fires[0].Due))
			break
		}
	}
	t.Logf("the last of %d was fired %s after it was due", n, last)
}
