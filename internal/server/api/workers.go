package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
)

// Worker is a process of the pool of the node that answers.
type Worker struct {
	Node      string `json:"node" doc:"Name of the node, which is the one that answers."`
	Number    int    `json:"number" doc:"From 0, in the order of their starts."`
	PID       int    `json:"pid"`
	Lang      string `json:"lang,omitempty" doc:"What it runs, as it says."`
	State     string `json:"state" enum:"starting,idle,running,stopping"`
	StartedAt string `json:"started_at"`
	Since     string `json:"since" doc:"When it came into its state."`
	Done      int    `json:"done" doc:"Attempts that it has carried out."`
	Task      string `json:"task,omitempty" doc:"Id of the task that it runs."`
	Process   string `json:"process,omitempty" doc:"What that is."`
	Stage     string `json:"stage,omitempty" enum:"asked,terminated,killed" doc:"What has been done to stop its task: it was asked to, its group got SIGTERM, or SIGKILL."`
	Memory    int64  `json:"memory,omitempty" doc:"Bytes resident."`
}

type workersReply struct {
	Body struct {
		Items []Worker `json:"items"`
	}
}

func mountWorkers(api huma.API, cfg Config) {
	get(api, "/v1/workers", "list-workers", "List the worker processes of the node that answers", func(context.Context, *struct{}) (*workersReply, error) {
		out := &workersReply{}
		out.Body.Items = append([]Worker{}, cfg.Workers()...)
		return out, nil
	})
}
