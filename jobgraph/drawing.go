package jobgraph

import (
	"time"

	"github.com/sendoff-dev/sendoff/jobgraph/draw"
)

// Drawing is the graph as package draw shows it, without states.
func (g *Graph) Drawing() draw.Graph {
	d := draw.Graph{Name: g.name}
	for _, n := range g.nodes {
		d.Nodes = append(d.Nodes, draw.Node{ID: n.job.Name})
		for _, dep := range n.deps {
			d.Edges = append(d.Edges, draw.Edge{From: n.job.Name, To: g.nodes[dep].job.Name})
		}
	}
	return d
}

// Drawing is the result as package draw shows it: with states, and the path marked that
// decided how long it all took.
func (r *Result) Drawing() draw.Graph {
	d := draw.Graph{Name: r.Goal}
	for i := range r.Jobs {
		j := &r.Jobs[i]
		n := draw.Node{ID: j.Name, State: string(j.State), Look: j.look(), Note: j.Reason}
		if j.State == Succeeded {
			n.State = map[How]string{InPlace: "in place", Achieved: "achieved"}[j.How]
		}
		if j.Took >= time.Millisecond {
			n.Duration = j.Took
		}
		if j.Err != nil {
			n.Note = j.Err.Error()
		}
		d.Nodes, d.Edges = append(d.Nodes, n), append(d.Edges, edges(j.Name, j.Deps)...)
	}
	d.Critical, _ = draw.CriticalPath(d) // what cannot be drawn, the drawing refuses
	return d
}

func (j *JobResult) look() draw.Look {
	switch j.State {
	case Running:
		return draw.Running
	case Failed:
		return draw.Failed
	case Blocked:
		return draw.Blocked
	case Skipped, Canceled:
		return draw.Skipped
	case Succeeded:
		if j.How == InPlace {
			return draw.InPlace
		}
		return draw.Achieved
	case Waiting:
	}
	return draw.Waiting
}

// Drawing is the plan as package draw shows it.
func (p *Plan) Drawing() draw.Graph {
	d := draw.Graph{Name: p.Goal}
	for _, j := range p.Jobs {
		d.Nodes = append(d.Nodes, draw.Node{ID: j.Name, State: verdictWords[j.Verdict], Look: verdictLooks[j.Verdict], Note: j.Reason})
		d.Edges = append(d.Edges, edges(j.Name, j.Deps)...)
	}
	return d
}

var verdictWords = map[Verdict]string{
	IsInPlace: "in place", WouldRun: "would run", WouldWait: "would wait", CannotSay: "cannot tell", WouldSkip: "would be skipped",
	NotPlanned: "not asked",
}

var verdictLooks = map[Verdict]draw.Look{
	IsInPlace: draw.InPlace, WouldRun: draw.Running, WouldWait: draw.Waiting, CannotSay: draw.Failed, WouldSkip: draw.Skipped,
	NotPlanned: draw.Plain,
}

// edges are those of a job. Names are those of jobs of the graph.
func edges(name string, deps []string) []draw.Edge {
	out := make([]draw.Edge, len(deps))
	for i, dep := range deps {
		out[i] = draw.Edge{From: name, To: dep}
	}
	return out
}
