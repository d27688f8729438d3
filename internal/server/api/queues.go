package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
)

type queueInput struct {
	Name string `path:"name"`
}

type queueReply struct{ Body Queue }

type queuesReply struct {
	Body struct {
		Items []Queue `json:"items"`
	}
}

type statsReply struct{ Body QueueStats }

type purgeReply struct {
	Body struct {
		Purged int `json:"purged" doc:"Tasks that were canceled."`
	}
}

func queueView(q operate.Queue) Queue {
	return Queue{q.Name, q.Paused, timeText(q.CreatedAt), settingsView(&q.Settings), settingsView(&q.Effective)}
}

func mountQueues(api huma.API, cfg Config) {
	get(api, "/v1/queues", "list-queues", "List queues by name", func(ctx context.Context, _ *struct{}) (*queuesReply, error) {
		queues, err := cfg.Queues.List(ctx)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &queuesReply{}
		out.Body.Items = make([]Queue, len(queues))
		for i, q := range queues {
			out.Body.Items[i] = queueView(q)
		}
		return out, nil
	})
	get(api, "/v1/queues/{name}", "get-queue", "Get a queue", func(ctx context.Context, in *queueInput) (*queueReply, error) {
		q, err := cfg.Queues.Get(ctx, in.Name)
		return queueAnswer(q, err)
	})
	get(api, "/v1/queues/{name}/stats", "get-queue-stats", "Get the depth of a queue by state", func(ctx context.Context, in *queueInput) (*statsReply, error) {
		s, err := cfg.Queues.Stats(ctx, in.Name)
		if err != nil {
			return nil, problemOf(err)
		}
		return &statsReply{statsView(s)}, nil
	})
	setPaused(api, cfg, "pause", "Pause a queue: nothing is started from it, attempts under way go on", true)
	setPaused(api, cfg, "resume", "Resume a queue", false)
	huma.Register(api, operation(auth.Operate, http.MethodPost, "/v1/queues/{name}/purge", "purge-queue", "Cancel everything that waits in a queue", http.StatusOK),
		func(ctx context.Context, in *queueInput) (*purgeReply, error) {
			n, err := cfg.Queues.Purge(ctx, in.Name)
			if err != nil {
				return nil, problemOf(err)
			}
			out := &purgeReply{}
			out.Body.Purged = n
			return out, nil
		})
	huma.Register(api, operation(auth.Operate, http.MethodDelete, "/v1/queues/{name}", "delete-queue", "Forget a queue in which everything has ended", http.StatusNoContent),
		func(ctx context.Context, in *queueInput) (*struct{}, error) {
			if err := cfg.Queues.Delete(ctx, in.Name); err != nil {
				return nil, problemOf(err)
			}
			return nil, nil
		})
}

func setPaused(api huma.API, cfg Config, verb, summary string, paused bool) {
	huma.Register(api, operation(auth.Operate, http.MethodPost, "/v1/queues/{name}/"+verb, verb+"-queue", summary, http.StatusOK),
		func(ctx context.Context, in *queueInput) (*queueReply, error) {
			q, err := cfg.Queues.SetPaused(ctx, in.Name, paused)
			return queueAnswer(q, err)
		})
}

func queueAnswer(q operate.Queue, err error) (*queueReply, error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &queueReply{queueView(q)}, nil
}
