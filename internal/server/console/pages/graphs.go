package pages

import (
	"cmp"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// Graphs is the page of the runs of graphs, and of the graphs that are kept.
type Graphs struct {
	Graph string // only runs of the graph of this name; "" = of all
	None  bool   // this server carries out no graphs
	Runs  []sendoff.GraphRun
	Next  string
	Kept  []sendoff.GraphRevision
}

// GraphRun is the page of a run.
type GraphRun struct {
	Run  sendoff.GraphRun
	Zoom int // of the drawing, in percent
}

// jobWord is the state of a job for people: of one that succeeded, how.
func jobWord(j *sendoff.GraphJob) string {
	if j.State == "succeeded" && j.How != "" {
		return strings.ReplaceAll(j.How, "_", " ")
	}
	return j.State
}

func jobTook(j *sendoff.GraphJob) time.Duration {
	return time.Duration(j.Duration * float64(time.Second)).Round(time.Millisecond)
}

// jobsWords say how many jobs of a run stand how.
func jobsWords(run *sendoff.GraphRun) string {
	counts := map[string]int{}
	for i := range run.Jobs {
		counts[jobWord(&run.Jobs[i])]++
	}
	var parts []string
	for _, word := range []string{"in place", "achieved", "succeeded", "running", "waiting", "failed", "blocked", "skipped", "canceled"} {
		if n := counts[word]; n > 0 {
			parts = append(parts, number(int64(n))+" "+word)
		}
	}
	return strings.Join(parts, ", ")
}

// jobTrouble is what a job failed with, or why it was tried.
func jobTrouble(j *sendoff.GraphJob) string {
	if j.Error != nil {
		return strings.TrimPrefix(j.Error.Type+": "+j.Error.Message, ": ")
	}
	return j.Reason
}

// mayRun tells what can be done to a run as it stands.
func mayRun(r *sendoff.GraphRun, verb string) bool {
	switch verb {
	case "pause":
		return !r.Final() && !r.Paused
	case "resume":
		return !r.Final() && r.Paused
	case "cancel":
		return !r.Final()
	}
	return r.Final() && r.State != sendoff.GraphSucceeded
}

// runTook is how long a run took, or has until now.
func runTook(r *sendoff.GraphRun) time.Duration {
	return time.Duration(r.Duration * float64(time.Second)).Round(time.Millisecond)
}

// runName is what a run is called.
func runName(r *sendoff.GraphRun) string { return cmp.Or(r.Graph, r.Goal, r.ID) }

func nonEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
