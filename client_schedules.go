package sendoff

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ScheduleSpec is what is to be planned: exactly one of Cron, Every, At and Times.
// Durations are text such as "90s", times RFC 3339.
type ScheduleSpec struct {
	Cron          string          `json:"cron,omitempty"` // such as "30 2 * * MON-FRI"
	Every         string          `json:"every,omitempty"`
	At            string          `json:"at,omitempty"`
	Times         []string        `json:"times,omitempty"`
	Timezone      string          `json:"timezone,omitempty"`        // of Cron; default UTC
	Task          json.RawMessage `json:"task,omitempty"`            // what is made each time: a NewTask, or a NewGraphRun of a stored graph, as JSON
	Overlap       string          `json:"overlap,omitempty"`         // parallel (the default), serial (that of graphs), discard, queue_one, replace
	CatchUp       string          `json:"catch_up,omitempty"`        // none, one (the default), all
	CatchUpWindow string          `json:"catch_up_window,omitempty"` // default 24h
	Jitter        string          `json:"jitter,omitempty"`
	StartsAt      string          `json:"starts_at,omitempty"`
	EndsAt        string          `json:"ends_at,omitempty"`
}

// Schedule is a schedule as it is.
type Schedule struct {
	Name string `json:"name"`
	ScheduleSpec
	Paused    bool       `json:"paused"`
	Declared  bool       `json:"declared"` // a configuration file of the server says what it is
	Edited    bool       `json:"edited"`   // and it is not as that says
	Revision  int64      `json:"revision"` // 1, and one more with each change
	NextAt    *time.Time `json:"next_at,omitempty"`
	Last      *Fire      `json:"last,omitempty"`
	NextFires []FireTime `json:"next_fires,omitempty"` // of a dry run
}

// FireTime is a time at which a schedule is due.
type FireTime struct {
	At    string `json:"at"`
	Local string `json:"local"` // in the zone of the schedule
	Note  string `json:"note,omitempty"`
}

// Fire is what became of a time of a schedule.
type Fire struct {
	Due      time.Time `json:"due"`
	FiredAt  time.Time `json:"fired_at"`
	Lateness string    `json:"lateness,omitempty"`
	Outcome  string    `json:"outcome"` // fired, skipped, missed
	Reason   string    `json:"reason,omitempty"`
	TaskID   string    `json:"task_id,omitempty"` // of a graph: its run
}

// Schedules looks at schedules and steers them: [Client.Schedules]. A name may hold any
// text, at most 200 bytes of it. Of errors, repeats and concurrent use holds what [Client]
// says.
type Schedules struct{ c *Client }

// List goes through the schedules by name, and fetches page by page. The first error ends it.
func (s Schedules) List(ctx context.Context) iter.Seq2[Schedule, error] {
	return pages[Schedule](ctx, s.c, "/v1/schedules", url.Values{}, 0)
}

// Get returns a schedule. See [IsNotFound].
func (s Schedules) Get(ctx context.Context, name string) (*Schedule, error) {
	return s.one(ctx, http.MethodGet, schedulePath(name, ""), nil)
}

// Set makes a schedule, or changes the one of that name. It may be repeated.
func (s Schedules) Set(ctx context.Context, name string, spec ScheduleSpec) (*Schedule, error) {
	return s.one(ctx, http.MethodPut, schedulePath(name, ""), spec)
}

// Try checks a schedule as Set does, and stores nothing: NextFires says when it would be due.
func (s Schedules) Try(ctx context.Context, name string, spec ScheduleSpec) (*Schedule, error) {
	var out Schedule
	r := request{method: http.MethodPut, path: schedulePath(name, ""), query: url.Values{"dry_run": {"true"}}, body: spec, again: true}
	if _, _, err := s.c.do(ctx, r, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Pause has a schedule make nothing. What would be due meanwhile is not made up for.
func (s Schedules) Pause(ctx context.Context, name string) (*Schedule, error) {
	return s.one(ctx, http.MethodPost, schedulePath(name, "/pause"), nil)
}

// Resume ends a pause.
func (s Schedules) Resume(ctx context.Context, name string) (*Schedule, error) {
	return s.one(ctx, http.MethodPost, schedulePath(name, "/resume"), nil)
}

// Reset has a declared schedule be as the configuration file of the server says.
func (s Schedules) Reset(ctx context.Context, name string) (*Schedule, error) {
	return s.one(ctx, http.MethodPost, schedulePath(name, "/reset"), nil)
}

func (s Schedules) one(ctx context.Context, method, path string, body any) (*Schedule, error) {
	var out Schedule
	if _, _, err := s.c.do(ctx, request{method: method, path: path, body: body, again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Run makes a task of a schedule now; when that is due next stays as it is.
func (s Schedules) Run(ctx context.Context, name string) (*Task, error) {
	var out Task
	if _, _, err := s.c.do(ctx, request{method: http.MethodPost, path: schedulePath(name, "/run")}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Preview returns when a schedule is due next, n times; 1,000 at most.
func (s Schedules) Preview(ctx context.Context, name string, n int) ([]FireTime, error) {
	var out struct{ Items []FireTime }
	r := request{method: http.MethodGet, path: schedulePath(name, "/preview"), query: url.Values{"n": {strconv.Itoa(n)}}, again: true}
	_, _, err := s.c.do(ctx, r, &out)
	return out.Items, err
}

// Fires goes through what became of the times of a schedule, the newest first, and fetches
// page by page. The last 1,000 of 30 days are kept. The first error ends it.
func (s Schedules) Fires(ctx context.Context, name string) iter.Seq2[Fire, error] {
	return pages[Fire](ctx, s.c, schedulePath(name, "/fires"), url.Values{}, 0)
}

// Delete forgets a schedule; the tasks that it made stay.
func (s Schedules) Delete(ctx context.Context, name string) error {
	_, _, err := s.c.do(ctx, request{method: http.MethodDelete, path: schedulePath(name, "")}, nil)
	return err
}

func schedulePath(name, verb string) string { return "/v1/schedules/" + url.PathEscape(name) + verb }
