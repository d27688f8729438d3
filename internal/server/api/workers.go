package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
)

// Workers lists worker processes, and replaces them.
type Workers interface {
	Workers(ctx context.Context) ([]operate.WorkerOnNode, error)
	ReplaceWorker(ctx context.Context, id string) (operate.WorkerOnNode, error)
}

// Worker is a process of the pool of a node.
type Worker struct {
	ID        string `json:"id" doc:"Over all nodes: that of the node, a dash and number."`
	Node      string `json:"node" doc:"Name of the node."`
	NodeID    string `json:"node_id"`
	At        string `json:"at" doc:"When it was so: of a node that does not answer itself, some seconds ago."`
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
	Replaced  bool   `json:"replaced,omitempty" doc:"It ends with its task, and another one is started."`
}

type workersReply struct {
	Body struct {
		Items []Worker `json:"items"`
	}
}

func mountWorkers(api huma.API, workers Workers) {
	getWith(api, auth.Read|auth.Whole, "/v1/workers", "list-workers", "List the worker processes of all nodes, first those of the node that answers", func(ctx context.Context, _ *struct{}) (*workersReply, error) {
		all, err := workers.Workers(ctx)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &workersReply{}
		out.Body.Items = make([]Worker, len(all))
		for i := range all {
			out.Body.Items[i] = workerView(&all[i])
		}
		return out, nil
	})
	replace := operation(auth.Operate|auth.Whole, http.MethodPost, "/v1/workers/{id}/replace", "replace-worker",
		"Have a worker process end when its task has, on whichever node; another one is started when it is needed", http.StatusOK)
	huma.Register(api, replace, func(ctx context.Context, in *workerInput) (*workerReply, error) {
		w, err := workers.ReplaceWorker(ctx, in.ID)
		if err != nil {
			return nil, problemOf(err)
		}
		return &workerReply{workerView(&w)}, nil
	})
}

type workerInput struct {
	ID string `path:"id" doc:"Id of the worker, as it is listed."`
}

type workerReply struct{ Body Worker }

func workerView(w *operate.WorkerOnNode) Worker {
	return Worker{
		ID: w.ID(), Node: w.Name, NodeID: w.Node.String(), At: timeText(w.At), Number: w.Number, PID: w.PID, Lang: w.Lang, State: w.State, StartedAt: timeText(w.StartedAt),
		Since: timeText(w.Since), Done: w.Done, Task: w.Task, Process: w.Process, Stage: w.Stage, Memory: w.Memory, Replaced: w.Replaced,
	}
}
