package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/plan"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
	"github.com/sendoff-dev/sendoff/task/cron"
)

// Schedules looks at schedules and steers them.
type Schedules interface {
	List(ctx context.Context, cursor string, limit int) (operate.SchedulePage, error)
	Get(ctx context.Context, name string) (operate.Schedule, error)
	Set(ctx context.Context, name string, d plan.Definition) (operate.Schedule, bool, error)
	DryRun(ctx context.Context, name string, d plan.Definition) (operate.Schedule, []cron.Fire, error)
	Delete(ctx context.Context, name string) error
	SetPaused(ctx context.Context, name string, paused bool) (operate.Schedule, error)
	Reset(ctx context.Context, name string) (operate.Schedule, error)
	Run(ctx context.Context, name string) (task.ID, error)
	Preview(ctx context.Context, name string, n int) ([]cron.Fire, error)
	Fires(ctx context.Context, name, cursor string, limit int) (operate.FirePage, error)
}

// ScheduleRequest is the body of PUT /v1/schedules/{name}: exactly one of cron, every, at
// and times.
type ScheduleRequest struct {
	Cron          string          `json:"cron,omitempty" doc:"Five fields: minute, hour, day of month, month, day of week; or @daily and the like." example:"30 2 * * MON-FRI"`
	Every         json.RawMessage `json:"every,omitempty" doc:"An interval, \"90s\" or seconds, 1 s at least; counted from starts_at, by default from 1970."`
	At            string          `json:"at,omitempty" doc:"Once: RFC 3339."`
	Times         timeList        `json:"times,omitempty" maxItems:"1000" doc:"At each of these: RFC 3339."`
	Timezone      string          `json:"timezone,omitempty" default:"UTC" doc:"In which cron is meant, by its IANA name." example:"Europe/Berlin"`
	Task          PlannedTask     `json:"task" doc:"What is made each time, as POST /v1/tasks takes it; without id, run_at, expires_at, on_duplicate and duplicate_key. With graph, a run of a stored graph, as POST /v1/graph-runs takes it."`
	Overlap       string          `json:"overlap,omitempty" enum:"parallel,serial,discard,queue_one,replace" default:"parallel" doc:"While a task that it has made has not ended, or with graph any run of that: the next one runs beside it, waits for it (what graphs have without it), is not made, is made when none waits yet, or takes its place."`
	CatchUp       string          `json:"catch_up,omitempty" enum:"none,one,all" default:"one" doc:"Of times at which no server was there: none is fired, the last one when no other is due, or all. What is fired within 30 s of its time was not missed."`
	CatchUpWindow json.RawMessage `json:"catch_up_window,omitempty" doc:"How old a time may be that is caught up with; default 24h."`
	Jitter        json.RawMessage `json:"jitter,omitempty" doc:"All times are later by the same amount, below this one, that comes from the name; at most 24h, default none."`
	StartsAt      string          `json:"starts_at,omitempty" doc:"Nothing is due before it: RFC 3339."`
	EndsAt        string          `json:"ends_at,omitempty" doc:"Nothing is due at it or later: RFC 3339."`
}

type timeList []string

// Schedule is a schedule in an answer.
type Schedule struct {
	Name          string          `json:"name"`
	Cron          string          `json:"cron,omitempty"`
	Every         string          `json:"every,omitempty"`
	At            string          `json:"at,omitempty"`
	Times         []string        `json:"times,omitempty"`
	Timezone      string          `json:"timezone,omitempty"`
	Task          json.RawMessage `json:"task,omitempty" scope:"payloads" doc:"As submitted."`
	Redacted      bool            `json:"redacted,omitempty" doc:"The task is left out: the key lacks the scope payloads."`
	Overlap       string          `json:"overlap" enum:"parallel,serial,discard,queue_one,replace"`
	CatchUp       string          `json:"catch_up" enum:"none,one,all"`
	CatchUpWindow string          `json:"catch_up_window"`
	Jitter        string          `json:"jitter,omitempty"`
	StartsAt      string          `json:"starts_at,omitempty"`
	EndsAt        string          `json:"ends_at,omitempty"`

	Paused    bool       `json:"paused"`
	Declared  bool       `json:"declared" doc:"A configuration file of the server says what it is."`
	Edited    bool       `json:"edited" doc:"It was changed, and is not as that file says: see reset."`
	Revision  int64      `json:"revision" doc:"Of what people change: 1, and one more with each change."`
	NextAt    string     `json:"next_at,omitempty" doc:"When it is due next; nothing when it is paused, or over."`
	Last      *LastFire  `json:"last,omitempty"`
	CreatedAt string     `json:"created_at,omitempty"`
	UpdatedAt string     `json:"updated_at,omitempty"`
	NextFires []FireTime `json:"next_fires,omitempty" doc:"Of a dry run: when it would be due."`
}

// LastFire is what became of the last time of a schedule.
type LastFire struct {
	Due     string `json:"due"`
	FiredAt string `json:"fired_at"`
	Outcome string `json:"outcome" enum:"fired,skipped,missed"`
	TaskID  string `json:"task_id,omitempty"`
}

// FireTime is a time at which a schedule is due.
type FireTime struct {
	At    string `json:"at"`
	Local string `json:"local" doc:"In the zone of the schedule."`
	Note  string `json:"note,omitempty" doc:"What a change of clocks has to do with it."`
}

// Fire is what became of a time of a schedule.
type Fire struct {
	Due      string `json:"due"`
	FiredAt  string `json:"fired_at" doc:"When that was decided: of one that was fired, when the task was on disk."`
	Lateness string `json:"lateness"`
	Outcome  string `json:"outcome" enum:"fired,skipped,missed" doc:"skipped: it was time, and no task could be made, or was to be. missed: no server was there."`
	Reason   string `json:"reason,omitempty"`
	TaskID   string `json:"task_id,omitempty" doc:"The task that was made, or the run of a graph; of one that was skipped, the one because of which."`
}

type (
	scheduleInput struct {
		Name string `path:"name" doc:"Name of the schedule, percent-encoded."`
	}
	schedulesInput struct {
		Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		Cursor string `query:"cursor" doc:"next_cursor of the page before."`
	}
	firesInput struct {
		Name   string `path:"name" doc:"Name of the schedule, percent-encoded."`
		Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		Cursor string `query:"cursor" doc:"next_cursor of the page before."`
	}
	previewInput struct {
		Name string `path:"name" doc:"Name of the schedule, percent-encoded."`
		N    int    `query:"n" minimum:"1" maximum:"1000" default:"5" doc:"So many times."`
	}
	scheduleReply  struct{ Body Schedule }
	schedulesReply struct {
		Body struct {
			Items      []Schedule `json:"items"`
			NextCursor string     `json:"next_cursor,omitempty"`
		}
	}
	firesReply struct {
		Body struct {
			Items      []Fire `json:"items"`
			NextCursor string `json:"next_cursor,omitempty"`
		}
	}
	previewReply struct {
		Body struct {
			Items []FireTime `json:"items"`
		}
	}
	taskMade struct {
		Location string `header:"Location"`
		Body     Task
	}
)

func mountSchedules(mux *route.Mux, api huma.API, cfg *Config, refuse func(http.ResponseWriter, *problem.Problem)) {
	schedules := cfg.Schedules
	get(api, "/v1/schedules", "list-schedules", "List schedules by name", func(ctx context.Context, in *schedulesInput) (*schedulesReply, error) {
		page, err := schedules.List(ctx, in.Cursor, in.Limit)
		if err != nil {
			return nil, cursorProblem(err)
		}
		out := &schedulesReply{}
		out.Body.NextCursor = page.Next
		out.Body.Items = make([]Schedule, len(page.Items))
		for i := range page.Items {
			out.Body.Items[i] = scheduleView(&page.Items[i])
		}
		return out, nil
	})
	get(api, "/v1/schedules/{name}", "get-schedule", "Get a schedule", func(ctx context.Context, in *scheduleInput) (*scheduleReply, error) {
		return scheduleAnswer(schedules.Get(ctx, in.Name))
	})
	get(api, "/v1/schedules/{name}/preview", "preview-schedule", "Show when a schedule is due next", func(ctx context.Context, in *previewInput) (*previewReply, error) {
		fires, err := schedules.Preview(ctx, in.Name, in.N)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &previewReply{}
		out.Body.Items = fireTimes(fires)
		return out, nil
	})
	get(api, "/v1/schedules/{name}/fires", "list-fires", "List what became of the times of a schedule, newest first: the last 1,000 of 30 days", func(ctx context.Context, in *firesInput) (*firesReply, error) {
		page, err := schedules.Fires(ctx, in.Name, in.Cursor, in.Limit)
		if err != nil {
			return nil, cursorProblem(err)
		}
		out := &firesReply{}
		out.Body.NextCursor = page.Next
		out.Body.Items = make([]Fire, len(page.Items))
		for i := range page.Items {
			out.Body.Items[i] = fireView(&page.Items[i])
		}
		return out, nil
	})
	mux.HandleFunc(auth.Operate, "PUT /v1/schedules/{name}", byHand(refuse, func(w http.ResponseWriter, r *http.Request) (int, any, *problem.Problem) {
		return putSchedule(w, r, schedules)
	}))
	put := operation(auth.Operate, http.MethodPut, "/v1/schedules/{name}", "set-schedule", "Make a schedule, or change it", http.StatusOK)
	put.Parameters = []*huma.Param{
		{Name: "name", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}, Description: "Name of the schedule, percent-encoded, at most 200 bytes."},
		{Name: "dry_run", In: "query", Schema: &huma.Schema{Type: "boolean"}, Description: "Check it, and show when it would be due; nothing is stored."},
	}
	describe[ScheduleRequest, Schedule](api.OpenAPI(), &put, "200", "201", "400", "401", "403", "408", "409", "413", "415", "422", "503")
	mountScheduleVerbs(api, cfg)
}

// mountScheduleVerbs adds what is done with schedules that there are.
func mountScheduleVerbs(api huma.API, cfg *Config) {
	for _, v := range []struct {
		verb, summary string
		do            func(context.Context, string) (operate.Schedule, error)
	}{
		{"pause", "Pause a schedule: what would be due meanwhile is not made up for", func(ctx context.Context, name string) (operate.Schedule, error) {
			return cfg.Schedules.SetPaused(ctx, name, true)
		}},
		{"resume", "Have a schedule go on that was paused", func(ctx context.Context, name string) (operate.Schedule, error) {
			return cfg.Schedules.SetPaused(ctx, name, false)
		}},
		{"reset", "Have a declared schedule be as its configuration file says", cfg.Schedules.Reset},
	} {
		huma.Register(api, operation(auth.Operate, http.MethodPost, "/v1/schedules/{name}/"+v.verb, v.verb+"-schedule", v.summary, http.StatusOK),
			func(ctx context.Context, in *scheduleInput) (*scheduleReply, error) {
				return scheduleAnswer(v.do(ctx, in.Name))
			})
	}
	run := operation(auth.Operate, http.MethodPost, "/v1/schedules/{name}/run", "run-schedule", "Make a task of a schedule now; when it is due next stays as it is", http.StatusCreated)
	huma.Register(api, run, func(ctx context.Context, in *scheduleInput) (*taskMade, error) {
		id, err := cfg.Schedules.Run(ctx, in.Name)
		if err != nil {
			return nil, problemOf(err)
		}
		t, err := cfg.Stored.Get(ctx, id.String())
		if err != nil {
			return nil, problemOf(err)
		}
		return &taskMade{"/v1/tasks/" + id.String(), viewOf(&t)}, nil
	})
	huma.Register(api, operation(auth.Operate, http.MethodDelete, "/v1/schedules/{name}", "delete-schedule", "Forget a schedule with what became of its times; tasks that it made stay", http.StatusNoContent),
		func(ctx context.Context, in *scheduleInput) (*struct{}, error) {
			if err := cfg.Schedules.Delete(ctx, in.Name); err != nil {
				return nil, problemOf(err)
			}
			return nil, nil
		})
}

func putSchedule(w http.ResponseWriter, r *http.Request, schedules Schedules) (status int, v any, fault *problem.Problem) {
	dry, d, fault := readSchedule(w, r)
	if fault != nil {
		return 0, nil, fault
	}
	name := r.PathValue("name")
	if dry {
		one, fires, err := schedules.DryRun(r.Context(), name, d)
		if err != nil {
			return 0, nil, problemOf(err)
		}
		view := scheduleView(&one)
		view.NextFires = fireTimes(fires)
		return http.StatusOK, view, nil
	}
	one, made, err := schedules.Set(r.Context(), name, d)
	if err != nil {
		return 0, nil, problemOf(err)
	}
	if status = http.StatusOK; made {
		status = http.StatusCreated
	}
	return status, scheduleView(&one), nil
}

// readSchedule reads what is to be set, and whether that is only tried.
func readSchedule(w http.ResponseWriter, r *http.Request) (dry bool, d plan.Definition, fault *problem.Problem) {
	var bad task.Invalid
	for name, values := range r.URL.Query() {
		var err error
		if dry, err = strconv.ParseBool(values[0]); name != "dry_run" || err != nil || len(values) > 1 {
			bad.Add(name, "is not a parameter of this request: want dry_run=true, or none")
		}
	}
	if len(bad) > 0 {
		return false, d, invalidProblem(bad)
	}
	text, fault := readBody(w, r, maxCreate)
	if fault != nil {
		return false, d, fault
	}
	d, fault = readPlan(text)
	return dry, d, fault
}

// Plan reads a schedule as PUT /v1/schedules/{name} takes it. The error is a problem.
func Plan(text []byte) (plan.Definition, error) {
	d, fault := readPlan(text)
	if fault != nil {
		return d, fault
	}
	return d, nil
}

func readPlan(text []byte) (d plan.Definition, fault *problem.Problem) {
	var bad task.Invalid
	var req ScheduleRequest
	if fault := decode(text, &req); fault != nil {
		return d, fault
	}
	var raw struct {
		Task json.RawMessage `json:"task"`
	}
	if kind := kindOf(text); kind != "object" {
		bad.Add("body", "is a JSON %s: want an object such as {\"cron\":\"@daily\",\"task\":{\"url\":\"http://host/path\"}}", kind)
	} else {
		_ = json.Unmarshal(text, &raw) // it was read before
	}
	d = plan.Definition{
		Cron: req.Cron, Every: durationText(&bad, "every", req.Every), At: req.At, Times: req.Times, Timezone: req.Timezone, Task: raw.Task, Overlap: req.Overlap,
		CatchUp: req.CatchUp, CatchUpWindow: durationText(&bad, "catch_up_window", req.CatchUpWindow), Jitter: durationText(&bad, "jitter", req.Jitter),
		StartsAt: req.StartsAt, EndsAt: req.EndsAt,
	}
	if len(bad) > 0 {
		return d, invalidProblem(bad)
	}
	return d, nil
}

// durationText is a duration that was given as text or in seconds.
func durationText(bad *task.Invalid, field string, raw json.RawMessage) string {
	d, given := duration(bad, field, raw)
	if !given {
		return ""
	}
	return d.String()
}

func scheduleAnswer(s operate.Schedule, err error) (*scheduleReply, error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &scheduleReply{scheduleView(&s)}, nil
}

func scheduleView(s *operate.Schedule) Schedule {
	v := Schedule{
		Name: s.Name, Cron: s.Cron, Every: s.Every, At: s.At, Times: s.Times, Timezone: s.Timezone, Task: s.Task,
		Overlap: cmp.Or(s.Overlap, task.Parallel.String()), CatchUp: cmp.Or(s.CatchUp, plan.DefaultCatchUp), CatchUpWindow: cmp.Or(s.CatchUpWindow, plan.DefaultWindow.String()),
		Jitter: s.Jitter, StartsAt: s.StartsAt, EndsAt: s.EndsAt,
		Paused: s.Paused, Declared: s.IsDeclared(), Edited: s.Edited, Revision: s.Rev, NextAt: timeText(s.NextAt),
		CreatedAt: timeText(s.CreatedAt), UpdatedAt: timeText(s.UpdatedAt),
	}
	if s.LastDue != 0 {
		v.Last = &LastFire{Due: timeText(s.LastDue), FiredAt: timeText(s.LastFired), Outcome: s.Last.String(), TaskID: idText(s.LastTask)}
	}
	return v
}

func fireView(f *store.Fire) Fire {
	return Fire{
		Due: timeText(f.Due), FiredAt: timeText(f.FiredAt), Lateness: (time.Duration(max(f.FiredAt-f.Due, 0)) * time.Microsecond).String(),
		Outcome: f.Outcome.String(), Reason: f.Reason, TaskID: idText(f.Task),
	}
}

func fireTimes(fires []cron.Fire) []FireTime {
	items := make([]FireTime, len(fires))
	for i, f := range fires {
		items[i] = FireTime{timeText(f.At.UnixMicro()), f.At.Format(time.RFC3339), f.Note}
	}
	return items
}

func idText(id task.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}
