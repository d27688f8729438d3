package jobgraph

import (
	"context"
	"fmt"
)

// Verdict is what a plan says of a job.
type Verdict string

// The verdicts.
const (
	IsInPlace  Verdict = "in_place"    // its Check passes
	WouldRun   Verdict = "would_run"   // its Check fails: Reason says with what; or it has none
	WouldWait  Verdict = "would_wait"  // for what WaitsFor names; its Check was not called
	CannotSay  Verdict = "cannot_tell" // its Check found out neither way
	WouldSkip  Verdict = "would_skip"  // it is left out
	NotPlanned Verdict = "canceled"    // the plan was canceled before it was asked
)

// PlannedJob is what would become of a job.
type PlannedJob struct {
	Name     string   `json:"name"`
	Deps     []string `json:"deps"`
	Verdict  Verdict  `json:"verdict"`
	Reason   string   `json:"reason,omitempty"`
	WaitsFor []string `json:"waits_for,omitempty"` // of its deps, those that are not in place
}

// Plan is what a run would find.
type Plan struct {
	Goal string       `json:"goal"`
	Jobs []PlannedJob `json:"jobs"` // in depth-first post-order from the goal

	// Result is the same as the result of a run with [Config.NoAct].
	Result *Result `json:"-"`
}

// InPlace tells whether a run would find nothing to do.
func (p *Plan) InPlace() bool {
	for _, j := range p.Jobs {
		if j.Verdict != IsInPlace && j.Verdict != WouldSkip {
			return false
		}
	}
	return true
}

// Plan calls the Checks of all jobs whose deps are in place, and nothing else: no
// Run, no second try, no Cleanup.
func (g *Graph) Plan(ctx context.Context, cfg Config) (*Plan, error) {
	cfg.NoAct = true
	res, err := g.Run(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return PlanOf(res), nil
}

// PlanOf says as a plan what a run with [Config.NoAct] has found, wherever it was
// carried out.
func PlanOf(res *Result) *Plan {
	p := &Plan{Goal: res.Goal, Result: res}
	states := map[string]State{}
	for _, j := range res.Jobs {
		states[j.Name] = j.State
		p.Jobs = append(p.Jobs, planned(j, states))
	}
	return p
}

// planned translates how a job ended in a run that only asked; states has those of
// its deps.
func planned(j JobResult, states map[string]State) PlannedJob {
	out := PlannedJob{Name: j.Name, Deps: j.Deps, Reason: j.Reason}
	switch j.State {
	case Succeeded:
		out.Verdict = IsInPlace
	case Skipped:
		out.Verdict = WouldSkip
	case Failed:
		out.Verdict = WouldRun
		if isA[*cannotTell](j.Err) {
			out.Verdict = CannotSay
		}
	case Blocked:
		out.Verdict = WouldWait
		for _, dep := range j.Deps {
			if states[dep] != Succeeded && states[dep] != Skipped {
				out.WaitsFor = append(out.WaitsFor, dep)
			}
		}
	case Canceled, Waiting, Running:
		out.Verdict = NotPlanned
	}
	return out
}

// String is the verdict as people read it: `would run: port 80 closed`.
func (j PlannedJob) String() string {
	switch j.Verdict {
	case IsInPlace:
		return "in place"
	case WouldRun:
		if j.Reason == "" {
			return "would run"
		}
		return "would run: " + j.Reason
	case WouldWait:
		if len(j.WaitsFor) == 1 {
			return "would wait for " + j.WaitsFor[0]
		}
		return fmt.Sprintf("would wait for %s and %d more", j.WaitsFor[0], len(j.WaitsFor)-1)
	case CannotSay:
		return "cannot tell: " + j.Reason
	case WouldSkip:
		return "would be skipped"
	case NotPlanned:
	}
	return "not asked: canceled"
}
