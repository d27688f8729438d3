package task

import "time"

// Revision is what is to become of a task that has not started. A zero field stays as it
// is, unless Default names it.
type Revision struct {
	Queue     string
	Priority  *int
	Delay     time.Duration // from now on
	RunAt     time.Time     // in place of Delay
	ExpiresAt time.Time
	Timeout   time.Duration
	Retry     RetryPolicy       // field by field
	Labels    map[string]string // are set; the others stay

	Payload     []byte // nil = stays
	ContentType string // of Payload, unless the task has another one

	// Default names what is put back to its default: queue, priority, run_at (at once),
	// expires_at (never), timeout and retry (those of its queue), labels (none), or a part
	// of one, such as retry.max_attempts or labels.team.
	Default []string
}
