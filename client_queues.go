package sendoff

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Queue is a named line of tasks. It is made by its first task.
type Queue struct {
	Name      string    `json:"name"`
	Paused    bool      `json:"paused"`
	CreatedAt time.Time `json:"created_at,omitzero"`

	Settings  QueueSettings `json:"settings"`  // what was set
	Effective QueueSettings `json:"effective"` // the same with the defaults; those of a push, where functions have others
}

// QueueStats is how much waits in a queue.
type QueueStats struct {
	Queue       string        `json:"queue"`
	Paused      bool          `json:"paused"`
	Ready       int64         `json:"ready"`
	Scheduled   int64         `json:"scheduled"`
	Running     int64         `json:"running"`
	Suspended   int64         `json:"suspended"`
	Blocked     int64         `json:"blocked"`
	Failed      int64         `json:"failed"`
	OldestReady time.Duration `json:"-"` // how long the oldest ready task has waited; 0 = there is none

	Groups []GroupStats `json:"groups,omitempty"` // where groups take turns: those of which something waits or runs, the 20 with the most ready tasks first
}

// GroupStats is how much waits in a queue for one of its groups.
type GroupStats struct {
	Group       string        `json:"group"` // "" = of all tasks that stand in no line of a group of their own
	Weight      int           `json:"weight"`
	Ready       int64         `json:"ready"`
	Scheduled   int64         `json:"scheduled"`
	Running     int64         `json:"running"`
	OldestReady time.Duration `json:"-"` // how long its oldest ready task has waited; 0 = there is none
}

type wireGroup struct {
	*plainGroup
	OldestReady duration `json:"oldest_ready,omitempty"`
}

type plainGroup GroupStats

// MarshalJSON implements json.Marshaler: the shape of the API.
func (g GroupStats) MarshalJSON() ([]byte, error) {
	p := plainGroup(g)
	return json.Marshal(wireGroup{&p, duration(g.OldestReady)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (g *GroupStats) UnmarshalJSON(b []byte) error {
	w := wireGroup{plainGroup: (*plainGroup)(g)}
	err := json.Unmarshal(b, &w)
	g.OldestReady = time.Duration(w.OldestReady)
	return err
}

type wireStats struct {
	*plainStats
	OldestReady duration `json:"oldest_ready,omitempty"`
}

type plainStats QueueStats

// MarshalJSON implements json.Marshaler: the shape of the API.
func (s QueueStats) MarshalJSON() ([]byte, error) {
	p := plainStats(s)
	return json.Marshal(wireStats{&p, duration(s.OldestReady)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *QueueStats) UnmarshalJSON(b []byte) error {
	w := wireStats{plainStats: (*plainStats)(s)}
	err := json.Unmarshal(b, &w)
	s.OldestReady = time.Duration(w.OldestReady)
	return err
}

// Queues lists and steers queues: [Client.Queues]. Of errors, repeats and concurrent use
// holds what [Client] says.
type Queues struct{ c *Client }

// List returns the queues by name.
func (q Queues) List(ctx context.Context) ([]Queue, error) {
	var out items[Queue]
	_, _, err := q.c.do(ctx, request{method: http.MethodGet, path: "/v1/queues"}, &out)
	return out.Items, err
}

// Get returns one queue. See [IsNotFound].
func (q Queues) Get(ctx context.Context, name string) (*Queue, error) {
	return q.one(ctx, http.MethodGet, name, "")
}

// Pause stops tasks of the queue from being started, on all nodes. Attempts
// under way go on, and tasks are accepted. It may be repeated.
func (q Queues) Pause(ctx context.Context, name string) (*Queue, error) {
	return q.one(ctx, http.MethodPost, name, "/pause")
}

// Resume ends a pause. It may be repeated.
func (q Queues) Resume(ctx context.Context, name string) (*Queue, error) {
	return q.one(ctx, http.MethodPost, name, "/resume")
}

func (q Queues) one(ctx context.Context, method, name, rest string) (*Queue, error) {
	var out Queue
	if _, _, err := q.c.do(ctx, request{method: method, path: queuePath(name, rest), again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Delete forgets a queue in which everything has ended, so that its name is
// free again. A [Problem] with the code queue_not_empty says that it has tasks
// that have not ended. The queue "default" stays.
func (q Queues) Delete(ctx context.Context, name string) error {
	_, _, err := q.c.do(ctx, request{method: http.MethodDelete, path: queuePath(name, "")}, nil)
	return err
}

// Purge cancels what waits in a queue, ready or scheduled, and returns how many
// tasks it were. Running ones go on.
func (q Queues) Purge(ctx context.Context, name string) (int, error) {
	var out purged
	if _, _, err := q.c.do(ctx, request{method: http.MethodPost, path: queuePath(name, "/purge")}, &out); err != nil {
		return 0, err
	}
	return *out.Purged, nil
}

type purged struct {
	Purged *int `json:"purged"`
}

// Stats returns how much waits in a queue.
func (q Queues) Stats(ctx context.Context, name string) (*QueueStats, error) {
	var out QueueStats
	if _, _, err := q.c.do(ctx, request{method: http.MethodGet, path: queuePath(name, "/stats")}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

func queuePath(name, rest string) string { return "/v1/queues/" + url.PathEscape(name) + rest }

// Everything tells whether everything is paused.
type Everything struct {
	Namespace string    `json:"namespace"` // in which it is: that of the key
	Paused    bool      `json:"paused"`
	Since     time.Time `json:"since,omitzero"` // zero = it is not
}

// PauseAll pauses everything in the namespace of the key, on all servers: nothing is started
// from any queue, those as well that are made later. Attempts under way go on, and
// submissions are accepted.
func (c *Client) PauseAll(ctx context.Context) (Everything, error) { return c.everything(ctx, "pause") }

// ResumeAll ends what PauseAll began. Queues that are paused by themselves stay so.
func (c *Client) ResumeAll(ctx context.Context) (Everything, error) {
	return c.everything(ctx, "resume")
}

func (c *Client) everything(ctx context.Context, verb string) (out Everything, err error) {
	_, _, err = c.do(ctx, request{method: http.MethodPost, path: "/v1/" + verb, again: true}, &out)
	return out, err
}
