package main

import (
	"context"
	"fmt"

	"github.com/hibiken/asynq"
)

// asynqEnqueue measures single Enqueue calls, with a connection for each caller.
func asynqEnqueue(ctx context.Context, r *run) error {
	c := asynq.NewClient(asynq.RedisClientOpt{Addr: r.Redis, PoolSize: submitters})
	defer func() { _ = c.Close() }()
	queue := fmt.Sprintf("bench%d", r.Round)
	if err := r.begin(ctx); err != nil {
		return err
	}
	err := fromMany(r.N, submitters, 1, func(int) error {
		_, err := c.EnqueueContext(ctx, asynq.NewTask("noop", payload), asynq.Queue(queue))
		return err
	})
	if err != nil {
		return err
	}
	return r.end(ctx, r.N)
}
