package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// ErrWorkerState says that a worker cannot be replaced as it is.
var ErrWorkerState = errors.New("only a worker that is idle or runs something can be replaced")

// workerName begins what nodes are asked for a worker by: no endpoint is called so.
const workerName = "worker:"

// ID is what a worker goes by over all nodes.
func (w *WorkerOnNode) ID() string { return w.Node.String() + "-" + strconv.Itoa(w.Number) }

// ReplaceWorker has a worker end when its task has, on whichever node, and another one
// started as far as one is needed. It returns the worker as it is known before.
// store.ErrNotFound, ErrWorkerState.
func (es *Endpoints) ReplaceWorker(ctx context.Context, id string) (WorkerOnNode, error) {
	all, err := es.Workers(ctx)
	if err != nil {
		return WorkerOnNode{}, err
	}
	i := slices.IndexFunc(all, func(w WorkerOnNode) bool { return w.ID() == id })
	if i < 0 {
		return WorkerOnNode{}, fmt.Errorf("worker %s: %w: no node that is alive has it", id, store.ErrNotFound)
	}
	w := all[i]
	if w.State != "idle" && w.State != "running" {
		return WorkerOnNode{}, fmt.Errorf("worker %s is %s: %w", id, w.State, ErrWorkerState)
	}
	if self, _ := es.cfg.Called.Self(); w.Node == self {
		err = es.cfg.Replace(w.Number)
	} else {
		err = es.ask(ctx, store.Reset{Endpoint: workerName + id, Kind: store.ReplaceWorker})
	}
	w.Replaced = err == nil
	return w, err
}

// replace does what another node has asked for, if the worker is of this one.
func (es *Endpoints) replace(name string) {
	self, _ := es.cfg.Called.Self()
	number, ours := strings.CutPrefix(name, workerName+self.String()+"-")
	n, err := strconv.Atoi(number)
	if !ours || err != nil || es.cfg.Replace == nil || self == (task.ID{}) {
		return
	}
	if err := es.cfg.Replace(n); err != nil {
		es.cfg.Log.Debug("a worker that was to be replaced is no more", "worker", n, "err", err)
	}
}
