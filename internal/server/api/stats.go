package api

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Series shows what was counted.
type Series interface {
	Read(ctx context.Context, q operate.SeriesQuery) (operate.SeriesPage, error)
}

// Stats is what was counted in a time.
type Stats struct {
	From    string      `json:"from" doc:"At the beginning of a step."`
	To      string      `json:"to"`
	Step    string      `json:"step"`
	AsOf    string      `json:"as_of" doc:"All nodes have written what was before; what came later is of the node that answers."`
	Partial bool        `json:"partial" doc:"Something may be missing: from as_of on, of other nodes; or of a time that is kept in longer steps, or not at all, by now."`
	Items   []StatsItem `json:"items"`
}

// StatsItem is what was counted of a queue, or a target.
type StatsItem struct {
	Key    string       `json:"key" doc:"Name of the queue; of a target the host of its URL, or the name of a function, process or handler."`
	Points []StatsPoint `json:"points" doc:"Oldest first; steps in which nothing happened are left out."`
}

// StatsPoint is what was counted in one step.
type StatsPoint struct {
	At          string           `json:"at" doc:"The beginning of the step."`
	Accepted    int64            `json:"accepted" doc:"Tasks that were submitted."`
	Started     int64            `json:"started" doc:"Attempts."`
	Outcomes    map[string]int64 `json:"outcomes" doc:"Ends of attempts, by how they ended."`
	Ended       map[string]int64 `json:"ended" doc:"Tasks that ended with an attempt, by state."`
	Wait        *Quantiles       `json:"wait,omitempty" doc:"How long tasks that started had been ready, about."`
	Run         *Quantiles       `json:"run,omitempty" doc:"How long attempts that ended took, about."`
	Depth       map[string]int64 `json:"depth" doc:"How many tasks there were, by state, the most that were seen at a time."`
	OldestReady string           `json:"oldest_ready,omitempty" doc:"How long the first in line had waited, the most that was seen."`
}

// Quantiles are durations than which half of all, 95 % and 99 % are not longer.
type Quantiles struct {
	P50 string `json:"p50"`
	P95 string `json:"p95"`
	P99 string `json:"p99"`
}

type seriesInput struct {
	By   string   `query:"by" enum:"queue,target" default:"queue" doc:"By queue, or by what is called: of each hour the 200 targets with most to do on each node, without depths."`
	Key  []string `query:"key,explode" doc:"Name of a queue, or of a target; repeat it for several. Default all."`
	From string   `query:"from" doc:"RFC 3339; default three hours before to, of targets 24."`
	To   string   `query:"to" doc:"RFC 3339; default now."`
	Step string   `query:"step" doc:"10s, 1m, 10m or 1h, of targets 1h; default the shortest that is kept so long."`
}

type seriesReply struct{ Body Stats }

func mountStats(api huma.API, series Series) {
	get(api, "/v1/stats", "get-stats", "Get what happened over a time, by ten seconds, the minute, ten minutes or the hour; they are kept for 20 minutes, 24 hours, 7 days and 90 days", func(ctx context.Context, in *seriesInput) (*seriesReply, error) {
		var bad task.Invalid
		q := operate.SeriesQuery{Targets: in.By == "target", Keys: in.Key, From: timeOf(&bad, "from", in.From), To: timeOf(&bad, "to", in.To)}
		if in.Step != "" {
			var err error
			if q.Step, err = task.ParseDuration(in.Step); err != nil || q.Step == 0 {
				bad.Add("step", "is %q: want 10s, 1m, 10m or 1h", in.Step)
			}
		}
		if err := bad.Err(); err != nil {
			return nil, problemOf(err)
		}
		page, err := series.Read(ctx, q)
		if err != nil {
			return nil, problemOf(err)
		}
		return &seriesReply{seriesView(&page)}, nil
	})
}

func seriesView(p *operate.SeriesPage) Stats {
	v := Stats{From: timeText(p.From.UnixMicro()), To: timeText(p.To.UnixMicro()), Step: p.Step.String(), AsOf: timeText(p.AsOf.UnixMicro()), Partial: p.Partial, Items: []StatsItem{}}
	for i := range p.Items {
		item := StatsItem{Key: p.Items[i].Key}
		for j := range p.Items[i].Points {
			item.Points = append(item.Points, pointView(&p.Items[i].Points[j]))
		}
		v.Items = append(v.Items, item)
	}
	return v
}

func pointView(p *operate.SeriesPoint) StatsPoint {
	v := StatsPoint{
		At: timeText(p.At.UnixMicro()), Accepted: p.Accepted, Started: p.Started, Outcomes: map[string]int64{}, Wait: quantilesOf(&p.Wait), Run: quantilesOf(&p.Run),
		Ended:       map[string]int64{task.Succeeded.String(): p.Succeeded, task.Failed.String(): p.Failed, task.Canceled.String(): p.Canceled},
		OldestReady: spanText(time.Duration(p.OldestReady) * time.Microsecond),
	}
	v.Depth = map[string]int64{
		task.Ready.String(): p.Ready, task.Scheduled.String(): p.Scheduled, task.Running.String(): p.Running,
		task.Suspended.String(): p.Suspended, task.Blocked.String(): p.Blocked, task.Failed.String(): p.DeadOnes,
	}
	for class, n := range p.Outcomes {
		if n > 0 {
			v.Outcomes[task.Class(class).String()] = n
		}
	}
	return v
}

func quantilesOf(h *store.Histogram) *Quantiles {
	text := func(share float64) string {
		d, _ := h.Quantile(share)
		return d.Round(10 * time.Microsecond).String()
	}
	if *h == (store.Histogram{}) {
		return nil
	}
	return &Quantiles{text(0.5), text(0.95), text(0.99)}
}
