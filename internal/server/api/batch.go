package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// BatchItem is the answer for one task of a batch.
type BatchItem struct {
	Status string           `json:"status" enum:"created,existing,dropped,conflict,skipped,invalid"`
	Task   *Task            `json:"task,omitempty"`
	Error  *problem.Problem `json:"error,omitempty"`
}

// BatchReply is the answer to a batch, an item for each task in order.
type BatchReply struct {
	Items []BatchItem `json:"items"`
}

// batch handles POST /v1/tasks/batch.
func (c *creator) batch(w http.ResponseWriter, r *http.Request) {
	text, fault := read(w, r, maxBatch)
	if fault != nil {
		c.refuse(w, fault)
		return
	}
	var req BatchRequest
	if err := decode(text, &req); err != nil {
		c.refuse(w, err)
		return
	}
	reply, fault := c.submitBatch(r, &req, text)
	if fault != nil {
		c.refuse(w, fault)
		return
	}
	answer(w, r, reply.status(), reply)
}

// status is 201 when something was stored, and 200 when everything was there
// already or refused.
func (b *BatchReply) status() int {
	if slices.ContainsFunc(b.Items, func(item BatchItem) bool { return item.Status == "created" }) {
		return http.StatusCreated
	}
	return http.StatusOK
}

func (c *creator) submitBatch(r *http.Request, req *BatchRequest, text []byte) (*BatchReply, *problem.Problem) {
	if len(req.Tasks) == 0 {
		return nil, invalidProblem(task.Invalid{{Field: "tasks", Message: fmt.Sprintf("has no entries: want 1 to %d", task.MaxBatch)}})
	}
	reply := &BatchReply{Items: make([]BatchItem, len(req.Tasks))}
	var subs []accept.Submission
	var index []int
	var faults task.Invalid
	told := allowance(task.MaxFaults)
	print := store.HashOf([]byte(r.URL.Path), text)
	for i := range req.Tasks {
		var bad task.Invalid
		sub := req.Tasks[i].submission(&bad)
		if sub.Signal != nil {
			bad.Add("signal", "cannot be sent in a batch: submit the function alone")
		}
		if len(bad) > 0 {
			faults.Join(fmt.Sprintf("tasks[%d].", i), bad)
			reply.Items[i] = BatchItem{Status: "invalid", Error: invalidProblem(told.some(bad))}
			continue
		}
		sub.Spec.Trace = task.ParseTrace(r.Header.Get(traceHeader))
		if key := r.Header.Get(keyHeader); key != "" {
			sub.IdempotencyKey, sub.Fingerprint, sub.Item = key, print, i+1
		}
		subs, index = append(subs, sub), append(index, i)
	}
	if req.Atomic && len(faults) > 0 {
		return nil, invalidProblem(faults)
	}
	results, err := c.submit.Accept(r.Context(), subs, req.Atomic)
	if err != nil {
		return nil, problemOf(err)
	}
	shown, fault := c.asStored(r.Context(), subs, results)
	if fault != nil {
		return nil, fault
	}
	for n, i := range index {
		if bad, ok := errors.AsType[task.Invalid](results[n].Err); ok {
			results[n].Err = told.some(bad)
		}
		item, fault := c.item(r, &subs[n], &results[n], shown)
		if fault != nil {
			return nil, fault
		}
		reply.Items[i] = item
	}
	return reply, nil
}

// allowance is how many faults are still told in full. An item that comes after
// it has been used up tells its first one.
type allowance int

func (a *allowance) some(bad task.Invalid) task.Invalid {
	n := min(len(bad), max(int(*a), 1))
	*a -= allowance(n)
	return bad[:n]
}

var statusNames = map[store.InsertStatus]string{
	store.Created: "created", store.Existing: "existing", store.Conflict: "conflict", store.Skipped: "skipped", store.Invalid: "invalid",
	store.Dropped: "dropped",
}

// item answers for one task. The fault is one of the whole batch: its key was
// used for another request, or what stands behind a key cannot be read.
func (c *creator) item(r *http.Request, sub *accept.Submission, res *accept.Result, shown map[task.ID]Task) (BatchItem, *problem.Problem) {
	if res.Err != nil {
		return BatchItem{Status: "invalid", Error: problemOf(res.Err)}, nil
	}
	view, fault := c.view(r, sub, res, shown)
	switch {
	case fault == nil:
		return BatchItem{Status: statusNames[res.Status], Task: view}, nil
	case res.Status == store.Mismatch, fault.Status >= http.StatusInternalServerError:
		return BatchItem{}, fault
	case res.Status == store.Existing: // and deleted since
		return BatchItem{Status: "conflict", Error: fault}, nil
	}
	return BatchItem{Status: statusNames[res.Status], Error: fault}, nil
}
