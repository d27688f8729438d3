package jobgraph

import (
	"encoding/json"
	"fmt"
)

// errorJSON is an error as JSON has it.
type errorJSON struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

func errorOf(err error) *errorJSON {
	if err == nil {
		return nil
	}
	return &errorJSON{ErrorType(err), err.Error()}
}

// outcomeOf is a call's end as JSON and people have it.
func outcomeOf(err error) string {
	if err == nil {
		return "pass"
	}
	return "fail"
}

func messageOf(err error) *string {
	if err == nil {
		return nil
	}
	return new(err.Error())
}

// MarshalJSON gives the event {"event": KIND, "job", "attempt", ...}; a call has
// "call", "outcome" (pass or fail) and "message" (null when it passed).
func (e Event) MarshalJSON() ([]byte, error) {
	out := map[string]any{"event": e.Kind, "job": e.Job, "attempt": e.Attempt}
	switch e.Kind {
	case CallEnded:
		out["call"], out["outcome"], out["message"] = e.Call, outcomeOf(e.Err), messageOf(e.Err)
	case WillRetry:
		out["next_at"], out["error"] = e.Next.UTC(), errorOf(e.Err)
	case JobEnded:
		out["state"], out["how"], out["error"] = e.State, orNull(string(e.How)), errorOf(e.Err)
	case AttemptBegan:
	}
	return json.Marshal(out)
}

// MarshalJSON gives the job as the array "jobs" of a result has it. A Value that JSON
// cannot hold is given as text.
func (j JobResult) MarshalJSON() ([]byte, error) {
	value, err := json.Marshal(j.Value)
	if err != nil {
		value, _ = json.Marshal(fmt.Sprint(j.Value))
	}
	failure := errorOf(j.Err)
	if j.State != Failed {
		failure = nil
	}
	return json.Marshal(struct {
		Name     string            `json:"name"`
		Deps     []string          `json:"deps"`
		Labels   map[string]string `json:"labels,omitempty"`
		State    State             `json:"state"`
		How      *string           `json:"how"`
		Color    Color             `json:"color"`
		Attempts int               `json:"attempts"`
		Checks   int               `json:"checks"`
		Runs     int               `json:"runs"`
		Rechecks int               `json:"rechecks"`
		Reason   string            `json:"reason,omitempty"`
		Duration float64           `json:"duration"`
		Error    *errorJSON        `json:"error"`
		Result   json.RawMessage   `json:"result"`
	}{
		j.Name, j.Deps, j.Labels, j.State, orNull(string(j.How)), j.Color(), j.Attempts, j.Checks, j.Runs, j.Rechecks,
		j.Reason, j.Took.Seconds(), failure, value,
	})
}

// MarshalJSON gives {"job", "attempt", "outcome", "message"}.
func (c CleanupResult) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"job": c.Job, "attempt": c.Attempt, "outcome": outcomeOf(c.Err), "message": messageOf(c.Err),
	})
}

// MarshalJSON gives the last line of what `sendoff graph run --json` prints; durations
// are in seconds.
func (r *Result) MarshalJSON() ([]byte, error) {
	cleanups := r.Cleanups
	if cleanups == nil {
		cleanups = []CleanupResult{}
	}
	var failure any
	for _, c := range cleanups {
		if c.Err != nil {
			failure = phaseError("cleanup", c.Err)
			break
		}
	}
	return json.Marshal(struct {
		Event    string          `json:"event"`
		Goal     string          `json:"goal"`
		Reached  bool            `json:"reached"`
		Partial  bool            `json:"partial"`
		Passes   int             `json:"passes"`
		Exit     int             `json:"exit"`
		Duration float64         `json:"duration"`
		Error    any             `json:"error"`
		Jobs     []JobResult     `json:"jobs"`
		Cleanups []CleanupResult `json:"cleanups"`
	}{"result", r.Goal, r.Reached, r.Partial, r.Passes, r.Exit(), r.Duration.Seconds(), failure, r.Jobs, cleanups})
}

// Refused is the result of a run whose definition was refused, as JSON: nothing was
// called, and the exit status is 2.
func Refused(goal string, err error) json.RawMessage {
	b, _ := json.Marshal(map[string]any{
		"event": "result", "goal": goal, "reached": false, "partial": false, "passes": 0, "exit": ExitRefused, "duration": 0,
		"error": phaseError("definition", err), "jobs": []any{}, "cleanups": []any{},
	})
	return b
}

func phaseError(phase string, err error) any {
	return map[string]string{"phase": phase, "type": ErrorType(err), "message": err.Error()}
}

// The exit statuses of a program that runs a graph.
const (
	ExitReached = 0
	ExitMissed  = 1
	ExitRefused = 2 // the definition is wrong, nothing was called
	ExitCleanup = 3 // a cleanup failed
)

// Exit returns the exit status for a program that has nothing else to tell.
func (r *Result) Exit() int {
	for _, c := range r.Cleanups {
		if c.Err != nil {
			return ExitCleanup
		}
	}
	if r.Reached {
		return ExitReached
	}
	return ExitMissed
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
