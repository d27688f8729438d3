package graphpy

import (
	"context"
	"log/slog"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// script is a graph of a script, which asks for its runs itself.
type script struct {
	*caller
	host     *Host
	settings message // as configured
	graph    *jobgraph.Graph
	last     *jobgraph.Result
}

// answer does what a script asks for.
func (s *script) answer(ask *message) answer {
	var out any
	var err error
	switch ask.Ask {
	case "graph":
		err = s.configure(ask)
	case "run":
		out, err = s.runGraph(ask.Only)
	case "cleanup":
		if s.last != nil {
			s.last.Cleanup(s.gone)
		}
	case "draw":
		out, err = s.draw(ask.Format)
	default:
		err = refuse("unknown ask %q", ask.Ask)
	}
	if out == nil {
		out = struct{}{}
	}
	if err != nil {
		return answer{out, err.Error()}
	}
	return answer{Answer: out}
}

func (s *script) configure(ask *message) error {
	s.process, s.settings = ask.Process, *ask
	if _, err := triesOf(ask.Tries); err != nil {
		return err
	}
	if _, err := retryDelayOf(ask.RetryDelay); err != nil {
		return err
	}
	goal, err := s.goal(ask.Jobs)
	if err != nil {
		return err
	}
	s.graph, err = jobgraph.New(goal)
	s.host.count()
	return err
}

// runGraph runs the graph, or what is below only, and tells how the jobs ended.
func (s *script) runGraph(only string) (any, error) {
	cfg := s.runConfig()
	if only != "" {
		cfg.Only = []string{only}
	}
	run := s.host.cfg.Run
	if run == nil {
		run = func(ctx context.Context, g *jobgraph.Graph, cfg jobgraph.Config) (*jobgraph.Result, error) {
			return g.Run(ctx, cfg)
		}
	}
	ctx, end := s.runContext(context.Background())
	defer end()
	res, err := run(ctx, s.graph, cfg)
	if err != nil {
		return nil, err
	}
	s.last = res
	out := ending{Reached: res.Reached, Partial: res.Partial}
	for _, j := range res.Jobs {
		out.States = append(out.States, [2]string{j.Name, string(j.State)})
	}
	return out, nil
}

func (s *script) runConfig() jobgraph.Config {
	cfg := jobgraph.Config{NoAct: s.settings.NoAct, NoCleanup: s.settings.NoCleanup, Parallel: s.host.cfg.Parallel}
	cfg.Tries, _ = triesOf(s.settings.Tries)
	cfg.RetryDelay, _ = retryDelayOf(s.settings.RetryDelay)
	lines := jobgraph.Lines(text{s.channel, "say"}, s.settings.Debug)
	cfg.Observe = func(e jobgraph.Event) {
		if s.settings.Verbose || e.Call == jobgraph.CallCleanup && e.Err != nil {
			lines(e)
		}
	}
	if s.settings.Log {
		cfg.Log = slog.New(slog.NewTextHandler(text{s.channel, "log"}, &slog.HandlerOptions{
			Level: slog.LevelDebug, ReplaceAttr: withoutTime,
		}))
	}
	return cfg
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
		return slog.Attr{}
	}
	return a
}

// ending is how a run ended, for the script.
type ending struct {
	Reached bool        `json:"reached"`
	Partial bool        `json:"partial"`
	States  [][2]string `json:"states"` // name and state, in the order of the jobs
}

func (s *script) draw(format string) (any, error) {
	if s.host.cfg.Draw == nil {
		return nil, refuse("pictures are not drawn here")
	}
	picture, err := s.host.cfg.Draw(s.graph, s.last, format)
	return map[string][]byte{"picture": picture}, err
}
