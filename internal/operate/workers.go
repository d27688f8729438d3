package operate

import (
	"context"

	"github.com/sendoff-dev/sendoff/task"
)

// Worker is a process of the pool of one node. Nodes of several versions read it: its names
// stay.
type Worker struct {
	Number    int    `json:"number"`
	PID       int    `json:"pid"`
	Lang      string `json:"lang,omitempty"`
	State     string `json:"state"`
	StartedAt int64  `json:"started_at"` // microseconds
	Since     int64  `json:"since"`      // it is in this state, in microseconds
	Done      int    `json:"done,omitempty"`
	Task      string `json:"task,omitempty"` // id of the one that it runs
	Process   string `json:"process,omitempty"`
	Stage     string `json:"stage,omitempty"`
	Memory    int64  `json:"memory,omitempty"` // bytes
	Replaced  bool   `json:"replaced,omitempty"`
}

// WorkerOnNode is one, and whose.
type WorkerOnNode struct {
	Node task.ID
	Name string // of the node
	At   int64  // when it was so, in microseconds
	Worker
}

// Workers lists the processes of all nodes, first those of this one. Of other nodes it is
// what they have told last, with the endpoints that they call.
func (es *Endpoints) Workers(ctx context.Context) ([]WorkerOnNode, error) {
	self, name := es.cfg.Called.Self()
	var all []WorkerOnNode
	for _, w := range es.workers() {
		all = append(all, WorkerOnNode{Node: self, Name: name, At: es.cfg.Now(), Worker: w})
	}
	views, err := es.others(ctx, self)
	for _, v := range views {
		for _, w := range v.Workers {
			all = append(all, WorkerOnNode{Node: v.Node, Name: v.Name, At: v.At, Worker: w})
		}
	}
	return all, err
}

func (es *Endpoints) workers() []Worker {
	if es.cfg.Workers == nil {
		return nil
	}
	return es.cfg.Workers()
}

// tellableWorkers cuts the workers of a node down to what others are told.
func tellableWorkers(all []Worker) []Worker {
	all = all[:min(len(all), maxTold)]
	for i := range all {
		all[i].Process = cut(all[i].Process)
	}
	return all
}
