package pages

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// zooms are the sizes of a drawing, in percent.
var zooms = []int{50, 75, 100, 150, 200}

// KnownZoom tells whether a drawing has such a size.
func KnownZoom(percent int) bool { return slices.Contains(zooms, percent) }

// picture is a drawing as it stands in a page, or why there is none.
func picture(g draw.Graph, zoom int) (svg templ.Component, why string) {
	var b strings.Builder
	err := draw.SVG(&b, g, draw.Options{Embedded: true, Hidden: true, Zoom: float64(cmp.Or(zoom, 100)) / 100})
	if err != nil {
		return nil, "It is not drawn: " + err.Error()
	}
	return templ.Raw(b.String()), ""
}

// looks are how calls are drawn, by their state.
var looks = map[sendoff.State]draw.Look{
	sendoff.StateReady: draw.Waiting, sendoff.StateScheduled: draw.Waiting, sendoff.StateSuspended: draw.Waiting, sendoff.StateBlocked: draw.Blocked,
	sendoff.StateRunning: draw.Running, sendoff.StateSucceeded: draw.Achieved, sendoff.StateFailed: draw.Failed, sendoff.StateCanceled: draw.Skipped,
}

// drawing is a tree of calls as a graph: callers stand on their calls.
func (t *Tree) drawing() draw.Graph {
	g := draw.Graph{Name: callName(&t.Items[0])}
	for i := range t.Items {
		call := &t.Items[i]
		g.Nodes = append(g.Nodes, draw.Node{
			ID: call.ID, Label: callName(call), State: string(call.State), Look: looks[call.State], Duration: took(call, time.Now()),
			Note: line(call.LastError), Link: string(to("tasks", call.ID)),
		})
		if i > 0 {
			g.Edges = append(g.Edges, draw.Edge{From: call.ParentID, To: call.ID})
		}
	}
	return g
}

// jobLooks are how jobs are drawn, by their state.
var jobLooks = map[string]draw.Look{
	"waiting": draw.Waiting, "running": draw.Running, "succeeded": draw.Achieved, "failed": draw.Failed, "blocked": draw.Blocked, "skipped": draw.Skipped, "canceled": draw.Skipped,
}

// drawnMost is how many jobs are drawn.
const drawnMost = 1500

// drawingOf is a run of a graph, with the path marked that decided how long it took.
func drawingOf(run *sendoff.GraphRun) draw.Graph {
	g := draw.Graph{Name: cmp.Or(run.Graph, run.Goal)}
	for i := range run.Jobs {
		j := &run.Jobs[i]
		n := draw.Node{ID: j.Name, State: jobWord(j), Look: jobLooks[j.State], Note: j.Reason, Duration: jobTook(j)}
		if j.State == "succeeded" && j.How == "in_place" {
			n.Look = draw.InPlace
		}
		if j.Error != nil {
			n.Note = j.Error.Message
		}
		if j.TaskID != "" {
			n.Link = string(to("tasks", j.TaskID))
		}
		g.Nodes = append(g.Nodes, n)
		for _, dep := range j.Deps {
			g.Edges = append(g.Edges, draw.Edge{From: j.Name, To: dep})
		}
	}
	g.Critical, _ = draw.CriticalPath(g) // what cannot be drawn, the drawing refuses
	return g
}
